#include "graph_lengths.h"

#include <algorithm>
#include <cmath>

namespace emoface::runtime::graphs {
namespace {

bool wild(const Number& x) { return x.high >= kLimit || x.low <= -kLimit; }

// Python's //, for a positive divisor.
int64_t floor_quotient(int64_t x, int64_t y) { return x / y - (x % y < 0 ? 1 : 0); }

int64_t quotient(int64_t x, int64_t y, bool up) { return x / y + (up && x > 0 && x % y ? 1 : 0); }

// The least and the largest of four.
void ends(const int64_t (&values)[4], int64_t* low, int64_t* high) {
    *low = *std::min_element(values, values + 4);
    *high = *std::max_element(values, values + 4);
}

}  // namespace

int64_t saturated_product(int64_t x, int64_t y) {
    const double product = double(x) * double(y);
    constexpr double most = double(int64_t(1) << 60);
    if (product >= most) return int64_t(1) << 61;
    return product <= -most ? -(int64_t(1) << 61) : x * y;
}

int64_t Lengths::low(const Number& x) const {
    return x.a == 0 ? x.low : x.low + saturated_product(x.a, x.a > 0 ? least_ : most_);
}

int64_t Lengths::high(const Number& x) const {
    return x.a == 0 ? x.high : x.high + saturated_product(x.a, x.a > 0 ? most_ : least_);
}

Number Lengths::between(int64_t low, int64_t high) const {
    return low <= -kLimit || high >= kLimit ? kUnknown : Number{0, low, high};
}

Number Lengths::kept(int64_t a, int64_t low, int64_t high) const {
    const Number x{a, low, high};
    const auto wide = [](int64_t value) { return value >= kLimit || value <= -kLimit; };
    if (wide(a) || wide(low) || wide(high)) return kUnknown;
    return this->low(x) <= -kLimit || this->high(x) >= kLimit ? kUnknown : x;
}

Number Lengths::symbol(int64_t factor, int64_t offset) const {
    if (least_ == most_) {
        const int64_t value = saturated_product(factor, least_) + offset;
        return between(value, value);
    }
    return kept(factor, offset, offset);
}

Number Lengths::add(const Number& x, const Number& y) const {
    if (wild(x) || wild(y)) return kUnknown;
    return kept(x.a + y.a, x.low + y.low, x.high + y.high);
}

Number Lengths::negate(const Number& x) const { return wild(x) ? kUnknown : Number{-x.a, -x.high, -x.low}; }

Number Lengths::multiply(Number x, Number y) const {
    if (wild(x) || wild(y)) return kUnknown;
    if (fixed(x)) std::swap(x, y);
    if (fixed(y)) {
        const int64_t k = y.low, low = saturated_product(x.low, k), high = saturated_product(x.high, k);
        return kept(saturated_product(x.a, k), std::min(low, high), std::max(low, high));
    }
    const int64_t values[] = {saturated_product(low(x), low(y)), saturated_product(low(x), high(y)),
                              saturated_product(high(x), low(y)), saturated_product(high(x), high(y))};
    int64_t least, most;
    ends(values, &least, &most);
    return between(least, most);
}

Number Lengths::divide(const Number& x, const Number& y, bool up) const {
    if (wild(x) || wild(y) || low(y) < 1) return kUnknown;
    if (fixed(y)) {
        const int64_t k = y.low, rest = up ? k - 1 : 0;
        if (x.a % k == 0 && low(x) >= 0)
            return {x.a / k, floor_quotient(x.low + rest, k), floor_quotient(x.high + rest, k)};
    }
    const int64_t values[] = {quotient(low(x), low(y), up), quotient(low(x), high(y), up), quotient(high(x), low(y), up),
                              quotient(high(x), high(y), up)};
    int64_t least, most;
    ends(values, &least, &most);
    return between(least, most);
}

Number Lengths::remainder(const Number& x, const Number& y, bool truncated) const {
    if (wild(x) || wild(y) || low(y) < 1) return kUnknown;
    if (fixed(x) && fixed(y) && x.low >= 0) return exactly(x.low % y.low);
    const int64_t most = high(y) - 1;
    return between(truncated && low(x) < 0 ? -most : 0, most);
}

Number Lengths::larger(const Number& x, const Number& y) const {
    if (wild(x) || wild(y)) return kUnknown;
    if (x.a == y.a) return {x.a, std::max(x.low, y.low), std::max(x.high, y.high)};
    if (low(subtract(x, y)) >= 0) return x;
    if (low(subtract(y, x)) >= 0) return y;
    return between(std::max(low(x), low(y)), std::max(high(x), high(y)));
}

Number Lengths::either(const Number& x, const Number& y) const {
    if (wild(x) || wild(y)) return kUnknown;
    if (x.a == y.a) return {x.a, std::min(x.low, y.low), std::max(x.high, y.high)};
    return between(std::min(low(x), low(y)), std::max(high(x), high(y)));
}

Number Lengths::at_least(const Number& x, const Number& y) const {
    const Number difference = subtract(x, y);
    if (low(difference) >= 0) return kOne;
    return high(difference) < 0 ? kZero : kTruth;
}

Number Lengths::equal(const Number& x, const Number& y) const {
    const Number difference = subtract(x, y);
    if (difference == kZero) return kOne;
    return low(difference) > 0 || high(difference) < 0 ? kZero : kTruth;
}

Number Lengths::product(const std::vector<Number>& numbers) const {
    Number total = kOne;
    for (const Number& number : numbers) total = multiply(total, number);
    return total;
}

std::string Lengths::text(const Number& x) const {
    const int64_t least = low(x), most = high(x);
    return least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace emoface::runtime::graphs
