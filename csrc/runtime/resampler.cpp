#include "resampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernel_table.h"

namespace emoface::runtime {
namespace {

constexpr int64_t kLargestTapMatrix = 1 << 18;

// Four sums side by side: always in the same order, whatever the compiler makes of it.
float dot(const float* a, const float* b, int64_t size) {
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int64_t i = 0;
    for (; i + 4 <= size; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < size; ++i) s0 += a[i] * b[i];
    return (s0 + s1) + (s2 + s3);
}

}  // namespace

Resampler::Resampler(int64_t rate, int64_t target) : rate_(rate), target_(target) {
    const int64_t divisor = std::gcd(rate, target);
    up_ = target / divisor;
    down_ = rate / divisor;
    if (rate != target) {
        const KernelTable& kernel = kernel_table();
        scale_ = std::min(1.0, double(target) / double(rate)) * kernel.rolloff;
        half_ = int64_t(std::ceil(double(kernel.zero_crossings) / scale_));
        row_.resize(size_t(2 * half_));
        if (up_ * 2 * half_ <= kLargestTapMatrix) {
            matrix_.resize(size_t(up_ * 2 * half_));
            for (int64_t phase = 0; phase < up_; ++phase) taps(phase, matrix_.data() + phase * 2 * half_);
        }
    }
    reset();
}

// Phase p of `up` places the output p / up input samples after window position half - 1. Weights come from the stored
// table by linear interpolation: plain double arithmetic, the same as in Python.
void Resampler::taps(int64_t phase, float* row) const {
    const KernelTable& kernel = kernel_table();
    const double last = double(kernel.table.size() - 2), density = scale_ * double(kernel.points_per_crossing);
    const double offset = double(phase) / double(up_);
    for (int64_t i = 0; i < 2 * half_; ++i) {
        const double distance = std::fabs(double(i + 1 - half_) - offset);
        const double position = std::min(distance * density, last);
        const int64_t index = int64_t(position);
        const double weight = position - double(index);
        const double left = kernel.table[size_t(index)], right = kernel.table[size_t(index + 1)];
        row[i] = float((left + (right - left) * weight) * scale_);
    }
}

void Resampler::reset() {
    buffer_.resize(std::max(buffer_.size(), std::max<size_t>(4096, size_t(4 * half_))));
    std::fill(buffer_.begin(), buffer_.begin() + half_, 0.0f);
    begin_ = 0;
    end_ = size_t(half_);
    base_ = -half_;
    produced_ = 0;
}

float* Resampler::room(size_t count) {
    if (end_ + count > buffer_.size()) {
        const size_t held = end_ - begin_;
        std::memmove(buffer_.data(), buffer_.data() + begin_, held * sizeof(float));
        begin_ = 0;
        end_ = held;
        if (held + count > buffer_.size()) buffer_.resize(std::max(2 * buffer_.size(), held + count));
    }
    return buffer_.data() + end_;
}

void Resampler::append_silence(int64_t count) {
    while (count > 0) {
        const size_t part = size_t(std::min<int64_t>(count, 65536));
        std::fill_n(room(part), part, 0.0f);
        commit(part);
        count -= int64_t(part);
    }
}

void Resampler::read(float* out, int64_t count) {
    const float* held = buffer_.data() + begin_;
    if (half_ == 0) {
        if (count > 0) std::memcpy(out, held + (produced_ - base_), size_t(count) * sizeof(float));
    } else {
        for (int64_t k = 0; k < count; ++k) {
            // Input position of output k is k down / up, in integers.
            const int64_t position = (produced_ + k) * down_;
            const float* window = held + (position / up_ - half_ + 1 - base_);
            const int64_t phase = position % up_;
            const float* row = matrix_.empty() ? row_.data() : matrix_.data() + phase * 2 * half_;
            if (matrix_.empty()) taps(phase, row_.data());
            out[k] = dot(window, row, 2 * half_);
        }
    }
    produced_ += count;
    discard();
}

int64_t Resampler::next_first(int64_t produced) const {
    return produced * down_ / up_ - half_ + (half_ ? 1 : 0);
}

void Resampler::discard() {
    const int64_t drop = std::min(std::max<int64_t>(0, next_first(produced_) - base_), int64_t(end_ - begin_));
    begin_ += size_t(drop);
    base_ += drop;
}

void Resampler::restore(int64_t base, int64_t produced, const float* held, size_t size) {
    begin_ = end_ = 0;
    if (size != 0) std::memcpy(room(size), held, size * sizeof(float));
    commit(size);
    base_ = base;
    produced_ = produced;
}

}  // namespace emoface::runtime
