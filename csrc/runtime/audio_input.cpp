#include "audio_input.h"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "failure.h"

namespace emoface::runtime {
namespace {

template <class T> T load(const void* samples, int64_t index) {
    T value;
    // The caller's bytes need not be aligned.
    std::memcpy(&value, static_cast<const unsigned char*>(samples) + index * int64_t(sizeof(T)), sizeof(T));
    return value;
}

template <class T> emoface_status check_floats(const void* samples, int64_t count) noexcept {
    int64_t bad = 0;
    double first = 0;
    for (int64_t i = 0; i < count; ++i) {
        const T value = load<T>(samples, i);
        // False for NaN.
        if (std::fabs(value) <= T(kLoudest)) continue;
        if (bad++ == 0) first = double(value);
    }
    if (bad == 0) return EMOFACE_OK;
    char got[80];
    std::snprintf(got, sizeof got, "%lld unusable sample(s), the first %g", static_cast<long long>(bad), first);
    return refuse(EMOFACE_ERROR_AUDIO, got, "finite samples within full scale +-1 (at most +-16)",
                  "Scale integer audio to +-1, repair the source, or use EMOFACE_BAD_AUDIO_SILENCE.");
}

// One sample as float, as emoface.audio.chunk converts it: integers through double, rounded once.
template <class T> float convert(T value, bool) noexcept;
template <> float convert(int16_t value, bool) noexcept { return float(double(value) * 0x1p-15); }
template <> float convert(int32_t value, bool) noexcept { return float(double(value) * 0x1p-31); }
template <> float convert(uint8_t value, bool) noexcept { return float((double(value) - 128.0) * 0x1p-7); }
template <> float convert(float value, bool mute) noexcept {
    return mute && !(std::fabs(value) <= float(kLoudest)) ? 0.0f : value;
}
template <> float convert(double value, bool mute) noexcept {
    return mute && !(std::fabs(value) <= kLoudest) ? 0.0f : float(value);
}

template <class T> void mix(const void* samples, int64_t count, int32_t channels, bool mute, float* out) noexcept {
    if (channels == 1) {
        for (int64_t i = 0; i < count; ++i) out[i] = convert(load<T>(samples, i), mute);
        return;
    }
    const float share = float(1.0 / channels);
    for (int64_t i = 0; i < count; ++i) {
        float total = convert(load<T>(samples, i * channels), mute);
        for (int32_t c = 1; c < channels; ++c) total += convert(load<T>(samples, i * channels + c), mute);
        out[i] = total * share;
    }
}

}  // namespace

size_t AudioFormat::sample_bytes() const {
    switch (format) {
        case EMOFACE_SAMPLES_FLOAT64: return 8;
        case EMOFACE_SAMPLES_INT16: return 2;
        case EMOFACE_SAMPLES_UINT8: return 1;
        default: return 4;
    }
}

emoface_status AudioFormat::check(const void* samples, int64_t count) const noexcept {
    if (mute_bad) return EMOFACE_OK;
    if (format == EMOFACE_SAMPLES_FLOAT32) return check_floats<float>(samples, count * channels);
    if (format == EMOFACE_SAMPLES_FLOAT64) return check_floats<double>(samples, count * channels);
    return EMOFACE_OK;
}

void AudioFormat::to_mono(const void* samples, int64_t count, float* out) const noexcept {
    switch (format) {
        case EMOFACE_SAMPLES_FLOAT32: return mix<float>(samples, count, channels, mute_bad, out);
        case EMOFACE_SAMPLES_FLOAT64: return mix<double>(samples, count, channels, mute_bad, out);
        case EMOFACE_SAMPLES_INT16: return mix<int16_t>(samples, count, channels, mute_bad, out);
        case EMOFACE_SAMPLES_INT32: return mix<int32_t>(samples, count, channels, mute_bad, out);
        default: return mix<uint8_t>(samples, count, channels, mute_bad, out);
    }
}

}  // namespace emoface::runtime
