// Extents and integers that depend on n, as bounds that hold for every n at once: sdk/emoface/graphs/lengths.py in C++.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace emoface::runtime::graphs {

// From a n + low to a n + high, for every n of the range.
struct Number {
    int64_t a = 0, low = 0, high = 0;
};
inline bool operator==(const Number& x, const Number& y) { return x.a == y.a && x.low == y.low && x.high == y.high; }
inline bool operator!=(const Number& x, const Number& y) { return !(x == y); }

// From here on a number counts as unknown: 64-bit integers wrap around, and no extent is that large.
constexpr int64_t kLimit = int64_t(1) << 53;
constexpr Number kUnknown{0, -kLimit, kLimit}, kZero{0, 0, 0}, kOne{0, 1, 1}, kTruth{0, 0, 1};

inline int64_t clamped(int64_t value) { return value < -kLimit ? -kLimit : value > kLimit ? kLimit : value; }
inline Number exactly(int64_t value) { return {0, clamped(value), clamped(value)}; }
inline bool fixed(const Number& x) { return x.a == 0 && x.low == x.high; }

// x y, or something beyond the limit of the same sign; sums of two such stay within 64 bits.
int64_t saturated_product(int64_t x, int64_t y);

// Arithmetic for n from `least` to `most`.
class Lengths {
public:
    Lengths(int64_t least, int64_t most) : least_(least), most_(most) {}
    int64_t low(const Number& x) const;
    int64_t high(const Number& x) const;
    Number between(int64_t low, int64_t high) const;
    Number symbol(int64_t factor, int64_t offset) const;
    Number add(const Number& x, const Number& y) const;
    Number negate(const Number& x) const;
    Number subtract(const Number& x, const Number& y) const { return add(x, negate(y)); }
    Number multiply(Number x, Number y) const;
    // For y >= 1, rounded towards zero as ONNX does, or up; unknown where y may be less than 1.
    Number divide(const Number& x, const Number& y, bool up = false) const;
    Number remainder(const Number& x, const Number& y, bool truncated) const;
    Number larger(const Number& x, const Number& y) const;
    Number smaller(const Number& x, const Number& y) const { return negate(larger(negate(x), negate(y))); }
    Number either(const Number& x, const Number& y) const;
    Number at_least(const Number& x, const Number& y) const;
    Number equal(const Number& x, const Number& y) const;
    Number product(const std::vector<Number>& numbers) const;
    std::string text(const Number& x) const;

private:
    Number kept(int64_t a, int64_t low, int64_t high) const;
    int64_t least_, most_;
};

}  // namespace emoface::runtime::graphs
