#include "offset.h"

#include <algorithm>
#include <cmath>

namespace emoface::runtime {
namespace {

constexpr int64_t kWindow = 4096;
// Samples in units of 2^-24, offsets of 2^-34.
constexpr double kUnits = 0x1p24, kOffsetUnit = 0x1p-34, kQuiet = 0x1p-12;
constexpr int64_t kFiner = 1 << 10;

int64_t floor_div(int64_t a, int64_t b) {
    const int64_t quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

}  // namespace

void OffsetRemover::remove(float* samples, int64_t count, int64_t at, int64_t heard) {
    const int64_t sound = std::max<int64_t>(0, std::min(count, heard - at));
    for (int64_t begin = 0; begin < sound;) {
        const int64_t length = std::min(sound - begin, hop_ + (at + begin == 0 ? overlap_ : 0));
        segment(samples + begin, length);
        begin += length;
    }
    std::fill(samples + sound, samples + count, 0.0f);
}

void OffsetRemover::segment(float* samples, int64_t length) {
    int64_t total = 0;
    float least = samples[0], most = samples[0];
    for (int64_t i = 0; i < length; ++i) {
        total += int64_t(std::floor(double(samples[i]) * kUnits + 0.5));
        least = std::min(least, samples[i]);
        most = std::max(most, samples[i]);
    }
    const bool pause = double(most) - double(least) <= kQuiet;
    const int64_t known = count_;
    const int64_t before = known > 0 ? floor_div(sum_ * kFiner, known) : 0;
    if (!pause || known < kWindow) {
        const int64_t kept = std::min(known, std::max<int64_t>(0, kWindow - length));
        if (kept < known) sum_ = floor_div(sum_ * kept, known);
        sum_ += total;
        count_ = kept + length;
    }
    int64_t first = 0, step = 0;
    if (pause) {
        first = floor_div(total * kFiner, length);
    } else {
        const int64_t after = floor_div(sum_ * kFiner, count_);
        first = known > 0 ? before : after;
        step = known > 0 ? floor_div(after - before, length) : 0;
    }
    for (int64_t i = 0; i < length; ++i)
        samples[i] = float(double(samples[i]) - double(first + step * (i + 1)) * kOffsetUnit);
}

}  // namespace emoface::runtime
