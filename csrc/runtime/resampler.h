// Streaming rational resampler: a polyphase FIR with integer positions. Same taps as emoface.audio.resampler.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace emoface::runtime {

class Resampler {
public:
    // Rates in Hz. At the target rate samples pass through bit-exactly.
    Resampler(int64_t rate, int64_t target);
    void reset();

    int64_t rate() const { return rate_; }
    int64_t half() const { return half_; }
    // Number of input samples that determine the first `outputs` output samples.
    int64_t needed(int64_t outputs) const {
        return outputs <= 0 ? 0 : (outputs - 1) * down_ / up_ + half_ + 1;
    }
    // Number of output samples that lie within the first `inputs` input samples.
    int64_t outputs_of(int64_t inputs) const { return (inputs * up_ + down_ - 1) / down_; }
    // Number of input samples so far.
    int64_t received() const { return base_ + int64_t(end_ - begin_); }

    // Room for `count` further samples, to be written before `commit(count)`.
    float* room(size_t count);
    void commit(size_t count) { end_ += count; }
    void append_silence(int64_t count);

    // The next `count` output samples; `received` must be at least `needed` for them.
    void read(float* out, int64_t count);

    // What a snapshot holds.
    int64_t base() const { return base_; }
    int64_t produced() const { return produced_; }
    const float* held() const { return buffer_.data() + begin_; }
    size_t held_size() const { return end_ - begin_; }
    // What `base` is after so many outputs.
    int64_t first_held(int64_t produced) const { return produced > 0 ? std::max(-half_, next_first(produced)) : -half_; }
    void restore(int64_t base, int64_t produced, const float* held, size_t size);

private:
    void taps(int64_t phase, float* row) const;
    void discard();
    int64_t next_first(int64_t produced) const;
    int64_t rate_, target_, up_, down_, half_ = 0;
    double scale_ = 1.0;
    std::vector<float> matrix_;  // all phases, or empty where that would be large
    std::vector<float> row_;
    // Held samples are buffer[begin:end]; buffer[begin] is input sample number `base` (negative: silence).
    std::vector<float> buffer_;
    size_t begin_ = 0, end_ = 0;
    int64_t base_ = 0, produced_ = 0;
};

}  // namespace emoface::runtime
