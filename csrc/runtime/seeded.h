// What the seeded layers share: a strength and a seed, and smooth noise that is a function of seed and time alone. As
// emoface.rig.seeded, with the same sums in the same order.
//
// What layers remember are floats, as a snapshot keeps them: g++ 12 leaves out the rounding of double(float(x)) where it
// stores two of them side by side.
#pragma once

#include <array>
#include <cstdint>

#include "counter_hash.h"

namespace emoface::runtime {

// A seeded layer's options, checked; the seed is resolved.
struct Seeded {
    bool on = false;
    uint32_t seed = 0;
    double strength = 1.0;
};

// 64 random bits as a number from -1 to 1.
inline double signed_part(uint64_t random) { return double(random >> 11) / 4503599627370496.0 - 1.0; }

// The 16 random bits from bit `bits` on as a number from 0 to 1.
inline double part(uint64_t random, int bits) { return double((random >> bits) & 0xFFFF) / 65536.0; }

// Noise around 0, within -1 and 1: a uniform cubic spline through drawn values, so many milliseconds apart.
class SmoothNoise {
public:
    SmoothNoise(uint64_t base, int64_t spacing, int64_t fps) : base_(base), unit_(spacing * fps) {}
    double at(int64_t frame) {
        // Time in units of 1 / fps ms: whole numbers at any frame rate.
        const int64_t now = 1000 * frame, index = now / unit_;
        if (index != index_) {
            index_ = index;
            for (size_t i = 0; i < held_.size(); ++i)
                held_[i] = signed_part(mixed(base_ + (uint64_t(index) + i + 1) * kCounterStep));
        }
        const double t = double(now % unit_) / double(unit_), s = 1.0 - t;
        const double first = s * s * s * held_[0], last = t * t * t * held_[3];
        const double second = ((3.0 * t - 6.0) * t * t + 4.0) * held_[1], third = ((3.0 * s - 6.0) * s * s + 4.0) * held_[2];
        return (first + second + third + last) / 6.0;
    }

private:
    uint64_t base_;
    int64_t unit_, index_ = -1;
    std::array<double, 4> held_{};
};

}  // namespace emoface::runtime
