// Caller samples of any format and number of channels -> mono float, checked before anything is touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emoface.h"

namespace emoface::runtime {

constexpr int64_t kLowestRate = 4000, kHighestRate = 384000;
// Beyond 16 (24 dB over full scale) it is integer data cast to float, or garbage.
constexpr double kLoudest = 16.0;

struct AudioFormat {
    int32_t channels = 1;
    int32_t format = EMOFACE_SAMPLES_FLOAT32;
    bool mute_bad = false;

    size_t sample_bytes() const;
    size_t frame_bytes() const { return sample_bytes() * size_t(channels); }
    // EMOFACE_OK, or EMOFACE_ERROR_AUDIO with the last error set, where bad samples are not to be muted. Allocates
    // nothing, so that an audio thread may call it.
    emoface_status check(const void* samples, int64_t count) const noexcept;
    // `count` samples per channel to mono; several channels are averaged in their order.
    void to_mono(const void* samples, int64_t count, float* out) const noexcept;
};

}  // namespace emoface::runtime
