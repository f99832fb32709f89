// emoface.h: calibration on a voice.
#include <algorithm>
#include <cstddef>

#include "calibrate.h"
#include "handles.h"

using namespace emoface::runtime;

extern "C" {

emoface_status emoface_calibrate(emoface_animator* animator, const float* samples, int64_t count, int32_t sample_rate,
                                 double at, emoface_calibration* result) {
    return guarded([&]() -> emoface_status {
        const Use use(animator);
        Stream& stream = animator->stream;
        const int64_t size = calibrated_size(stream.package().manifest());
        if (result != nullptr) {
            require_struct(result, "emoface_calibration", sizeof(emoface_calibration));
            result->count = size;
            result->seconds = 0.0;
            if (result->speaker_mean != nullptr && result->capacity < size)
                return refuse(EMOFACE_ERROR_BUFFER_TOO_SMALL, "room for " + std::to_string(result->capacity) + " value(s)",
                              std::to_string(size), "Pass a larger array; nothing was computed.");
        }
        if (count < 0) fail(EMOFACE_ERROR_ARGUMENT, "count = " + std::to_string(count), "0 or more samples", "Pass their number.");
        if (count > 0) require_pointer(samples, "samples");
        const int64_t rate = sample_rate == 0 ? stream.options().rate : sample_rate;
        if (rate < kLowestRate || rate > kHighestRate)
            fail(EMOFACE_ERROR_AUDIO_FORMAT, "sample_rate = " + std::to_string(rate),
                 std::to_string(kLowestRate) + " to " + std::to_string(kHighestRate) + ", or 0 for the animator's",
                 "Pass the rate the speech was recorded at.");
        require_length(rate, count);
        if (const emoface_status status = AudioFormat{}.check(samples, count); status != EMOFACE_OK) return status;
        const VoiceMean mean = stream.mean_feature(rate, samples, count);
        const auto set = [&] {
            stream.require_sound();
            stream.set_condition("speaker_mean", mean.values, at);
        };
        if (animator->running.load()) animator->realtime->locked(set);
        else set();
        if (result != nullptr) {
            if (result->speaker_mean != nullptr) std::copy(mean.values.begin(), mean.values.end(), result->speaker_mean);
            result->seconds = double(mean.features) / double(stream.driver().clock().feature_rate);
        }
        return EMOFACE_OK;
    });
}

}  // extern "C"
