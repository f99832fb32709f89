#include "expansion.h"

#include <algorithm>
#include <cmath>

namespace emoface::runtime {
namespace {

// Numbers that stay in the fastest cache while all shapes are added to them.
constexpr size_t kBlock = 2048;

void sum(const float* basis, size_t count, size_t size, const float* coefficients, float* out) {
    for (size_t begin = 0; begin < size; begin += kBlock) {
        const size_t length = std::min(kBlock, size - begin);
        float* const to = out + begin;
        const float first = coefficients[0];
        for (size_t i = 0; i < length; ++i) to[i] = basis[begin + i] * first;
        for (size_t shape = 1; shape < count; ++shape) {
            const float* const row = basis + shape * size + begin;
            const float coefficient = coefficients[shape];
            for (size_t i = 0; i < length; ++i) to[i] += row[i] * coefficient;
        }
    }
}

}  // namespace

void Expansion::offsets(const float* coefficients, const float* emotion, const float* weight, float* out) {
    const size_t size = other_.size();
    sum(basis_.data(), count_, size, coefficients, out);
    if (emotion == nullptr) return;
    sum(basis_.data(), count_, size, emotion, other_.data());
    for (size_t vertex = 0; vertex < size / 3; ++vertex)
        for (size_t axis = 3 * vertex; axis < 3 * vertex + 3; ++axis) out[axis] += (other_[axis] - out[axis]) * weight[vertex];
}

float widened(unsigned short half) {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    float value = std::ldexp(float(exponent == 0 ? mantissa : mantissa + 1024), std::max(exponent, 1) - 25);
    if (exponent == 31) value = mantissa == 0 ? INFINITY : NAN;
    return half & 0x8000 ? -value : value;
}

}  // namespace emoface::runtime
