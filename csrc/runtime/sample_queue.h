// Samples from the audio thread to the worker: one writer, one reader, no locks, no waiting.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace emoface::runtime {

class SampleQueue {
public:
    explicit SampleQueue(size_t capacity) : ring_(capacity) {}

    size_t waiting() const noexcept {
        // In this order: what is read meanwhile must not make the difference negative.
        const uint64_t read = read_.load(std::memory_order_acquire);
        return size_t(std::min<uint64_t>(written_.load(std::memory_order_acquire) - read, ring_.size()));
    }
    // Writer: room for `count` more samples, as up to two stretches of the ring that `fill(out, from, length)` writes.
    template <class Fill> bool push(size_t count, Fill&& fill) noexcept {
        const uint64_t written = written_.load(std::memory_order_relaxed);
        if (ring_.size() - size_t(written - read_.load(std::memory_order_acquire)) < count) return false;
        const size_t at = size_t(written % ring_.size()), first = std::min(count, ring_.size() - at);
        fill(ring_.data() + at, size_t(0), first);
        if (first < count) fill(ring_.data(), first, count - first);
        written_.store(written + count, std::memory_order_release);
        return true;
    }
    // Reader: up to `most` samples that follow each other in memory; `taken` gives their room back.
    const float* peek(size_t most, size_t* count) const noexcept {
        const uint64_t read = read_.load(std::memory_order_relaxed);
        const size_t at = size_t(read % ring_.size());
        *count = std::min({most, size_t(written_.load(std::memory_order_acquire) - read), ring_.size() - at});
        return ring_.data() + at;
    }
    void taken(size_t count) noexcept { read_.store(read_.load(std::memory_order_relaxed) + count, std::memory_order_release); }
    // Reader: drop what waits.
    void drop() noexcept { read_.store(written_.load(std::memory_order_acquire), std::memory_order_release); }

private:
    std::vector<float> ring_;
    // Apart, so that the two threads do not share a cache line.
    alignas(64) std::atomic<uint64_t> written_{0};
    alignas(64) std::atomic<uint64_t> read_{0};
};

}  // namespace emoface::runtime
