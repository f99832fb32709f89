// When a sample is heard, and a sound that waits for its face. Standard C++17, no engine.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <vector>

namespace emoface {

// The moment at which the first sample of a stream was rendered, from the moments at which its buffers came. Buffers are
// rendered in bursts, so a single one tells it to a buffer's length at best; their mean is steady.
// Written by one thread, read by any.
class StreamClock {
public:
    // `samples` of `rate` came before the buffer that is being rendered at `now` (seconds of a monotonic clock).
    void buffer(int64_t samples, int rate, double now) {
        const double found = now - double(samples) / rate;
        const double start = start_.load(std::memory_order_relaxed);
        // A jump is a pause of the sound or a hitch of the machine: follow at once.
        const bool jump = !started() || std::fabs(found - start) > 0.25;
        weight_ = jump ? 1.0 : std::max(0.02, weight_ / (1.0 + weight_));
        start_.store(jump ? found : start + weight_ * (found - start), std::memory_order_relaxed);
        started_.store(true, std::memory_order_release);
    }

    bool started() const { return started_.load(std::memory_order_acquire); }

    // 0 before the first buffer.
    double start() const { return start_.load(std::memory_order_relaxed); }

private:
    std::atomic<bool> started_{false};
    std::atomic<double> start_{0.0};
    double weight_ = 1.0;
};

// How face and sound are brought together.
struct Sync {
    double sound_delay;  // seconds by which the sound is played later
    double face_delay;   // seconds from the rendering of a sample until its face is shown
    double face_lag;     // seconds by which the face comes after the sound
};

// What is rendered is heard `output` seconds later anyway; only what is missing to the model's `latency` costs anything.
inline Sync make_sync(double latency, double output, bool delay_sound) {
    const double margin = 0.03;  // for the worker thread to wake up and compute a block
    const double face = std::max(output, latency + margin);
    return {delay_sound ? face - output : 0.0, face, delay_sound ? 0.0 : face - output};
}

// One channel of sound, read `delay` samples after it was written. One thread writes and one reads; neither waits.
// Memory for `capacity` samples more than the delay; what does not fit is dropped, what is not there is silence.
class DelayRing {
public:
    DelayRing(int delay, int capacity)
        : ring_(size_t(delay) + size_t(capacity) + 1, 0.0f), delay_(uint64_t(delay)), slack_(uint64_t(capacity) / 20),
          written_(uint64_t(delay)) {}

    // Returns the number of samples taken.
    int write(const float* samples, int count) {
        uint64_t written = written_.load(std::memory_order_relaxed);
        const uint64_t read = read_.load(std::memory_order_acquire);
        // The reader goes on while no sound is written, before the first one and between two: silence makes up for it.
        if (written + slack_ < read + delay_)
            for (; written < read + delay_; ++written) ring_[written % ring_.size()] = 0.0f;
        const uint64_t room = ring_.size() - (written - read);
        const int taken = int(std::min<uint64_t>(room, uint64_t(std::max(0, count))));
        for (int i = 0; i < taken; ++i) ring_[(written + uint64_t(i)) % ring_.size()] = samples[i];
        written_.store(written + uint64_t(taken), std::memory_order_release);
        return taken;
    }

    void read(float* samples, int count) {
        const uint64_t read = read_.load(std::memory_order_relaxed);
        const uint64_t there = written_.load(std::memory_order_acquire) - read;
        const int given = int(std::min<uint64_t>(there, uint64_t(std::max(0, count))));
        for (int i = 0; i < given; ++i) samples[i] = ring_[(read + uint64_t(i)) % ring_.size()];
        for (int i = given; i < count; ++i) samples[i] = 0.0f;
        read_.store(read + uint64_t(given), std::memory_order_release);
    }

private:
    std::vector<float> ring_;
    const uint64_t delay_, slack_;  // slack_: what bursts of buffers may be short of, a twentieth of the capacity
    std::atomic<uint64_t> written_;
    std::atomic<uint64_t> read_{0};
};

// Interleaved samples to their mean over channels, into the caller's memory.
inline void mix_down(const float* samples, int frames, int channels, float* mono) {
    const float share = 1.0f / float(channels);
    for (int frame = 0; frame < frames; ++frame) {
        float sum = 0.0f;
        for (int channel = 0; channel < channels; ++channel) sum += samples[frame * channels + channel];
        mono[frame] = sum * share;
    }
}

}  // namespace emoface
