// Takes a constant offset (DC) out of the model's audio: the same bits as emoface.audio.offset, which says how and why.
#pragma once

#include <cstdint>

namespace emoface::runtime {

class OffsetRemover {
public:
    OffsetRemover(int64_t hop, int64_t overlap) : hop_(hop), overlap_(overlap) {}
    void reset() { sum_ = count_ = 0; }

    // `count` samples in place, whole segments; `at` is the number of the first in the stream, `heard` the number of
    // samples of sound in the stream: what lies beyond is padding and becomes silence.
    void remove(float* samples, int64_t count, int64_t at, int64_t heard);

    // What a snapshot holds: the sum of the samples that the estimate is the mean of, and their number.
    int64_t sum() const { return sum_; }
    int64_t count() const { return count_; }
    static constexpr int64_t kMostCount = 1 << 20, kLoudest = 1 << 29;  // samples are within +-32 in units of 2^-24
    void restore(int64_t sum, int64_t count) {
        sum_ = sum;
        count_ = count;
    }

private:
    void segment(float* samples, int64_t length);
    int64_t hop_, overlap_;
    int64_t sum_ = 0, count_ = 0;
};

}  // namespace emoface::runtime
