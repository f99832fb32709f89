"""Extents and integers that depend on n, the number of items of a call, as bounds that hold for every n at once.

A number is known as (a, low, high): for every n of the range it lies from a n + low to a n + high. What is exactly
a n + b stays exact through sums, differences, products and whole divisions, which is what shapes are made of; anything
else becomes an interval. Checking the largest n alone would not do: a graph can be small there and large below.
"""

from __future__ import annotations

from collections.abc import Sequence

Number = tuple[int, int, int]

LIMIT = 1 << 53
"""From here on a number counts as unknown: 64-bit integers wrap around, and no extent is that large."""
UNKNOWN: Number = (0, -LIMIT, LIMIT)
ZERO: Number = (0, 0, 0)
ONE: Number = (0, 1, 1)
TRUTH: Number = (0, 0, 1)


def exactly(value: int) -> Number:
    """A number that does not depend on n."""
    value = max(-LIMIT, min(LIMIT, value))
    return (0, value, value)


def fixed(number: Number) -> bool:
    """Whether it is one value, the same for every n."""
    return number[0] == 0 and number[1] == number[2]


class Lengths:
    """Arithmetic for n from `least` to `most`."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def low(self, number: Number) -> int:
        """The least value."""
        a, low, _ = number
        return low + a * (self.least if a >= 0 else self.most) if a else low

    def high(self, number: Number) -> int:
        """The largest value."""
        a, _, high = number
        return high + a * (self.most if a >= 0 else self.least) if a else high

    def between(self, low: int, high: int) -> Number:
        """An interval; unknown where it reaches the limit."""
        return UNKNOWN if low <= -LIMIT or high >= LIMIT else (0, low, high)

    def symbol(self, factor: int, offset: int) -> Number:
        """factor n + offset; a single value where n has one."""
        if self.least == self.most:
            return self.between(factor * self.least + offset, factor * self.least + offset)
        return self._kept(factor, offset, offset)

    def _kept(self, a: int, low: int, high: int) -> Number:
        number = (a, low, high)
        wide = max(abs(a), abs(low), abs(high)) >= LIMIT or self.low(number) <= -LIMIT or self.high(number) >= LIMIT
        return UNKNOWN if wide else number

    def _wild(self, number: Number) -> bool:
        return number[2] >= LIMIT or number[1] <= -LIMIT

    def add(self, x: Number, y: Number) -> Number:
        """x + y."""
        if self._wild(x) or self._wild(y):
            return UNKNOWN
        return self._kept(x[0] + y[0], x[1] + y[1], x[2] + y[2])

    def negate(self, x: Number) -> Number:
        """-x."""
        return UNKNOWN if self._wild(x) else (-x[0], -x[2], -x[1])

    def subtract(self, x: Number, y: Number) -> Number:
        """x - y."""
        return self.add(x, self.negate(y))

    def multiply(self, x: Number, y: Number) -> Number:
        """x y."""
        if self._wild(x) or self._wild(y):
            return UNKNOWN
        if fixed(x):
            x, y = y, x
        if fixed(y):
            k = y[1]
            low, high = (x[1] * k, x[2] * k) if k >= 0 else (x[2] * k, x[1] * k)
            return self._kept(x[0] * k, low, high)
        ends = [p * q for p in (self.low(x), self.high(x)) for q in (self.low(y), self.high(y))]
        return self.between(min(ends), max(ends))

    def divide(self, x: Number, y: Number, up: bool = False) -> Number:
        """x / y for y >= 1, rounded towards zero as ONNX does, or up; unknown where y may be less than 1."""
        if self._wild(x) or self._wild(y) or self.low(y) < 1:
            return UNKNOWN
        if fixed(y):
            k = y[1]
            rest = k - 1 if up else 0
            if x[0] % k == 0 and self.low(x) >= 0:
                return (x[0] // k, (x[1] + rest) // k, (x[2] + rest) // k)
        ends = [_quotient(p, q, up) for p in (self.low(x), self.high(x)) for q in (self.low(y), self.high(y))]
        return self.between(min(ends), max(ends))

    def remainder(self, x: Number, y: Number, truncated: bool) -> Number:
        """x mod y for y >= 1: the sign of y, or of x where `truncated`."""
        if self._wild(x) or self._wild(y) or self.low(y) < 1:
            return UNKNOWN
        if fixed(x) and fixed(y) and x[1] >= 0:
            return exactly(x[1] % y[1])
        most = self.high(y) - 1
        return self.between(-most if truncated and self.low(x) < 0 else 0, most)

    def larger(self, x: Number, y: Number) -> Number:
        """max(x, y)."""
        if self._wild(x) or self._wild(y):
            return UNKNOWN
        if x[0] == y[0]:
            return (x[0], max(x[1], y[1]), max(x[2], y[2]))
        if self.low(self.subtract(x, y)) >= 0:
            return x
        if self.low(self.subtract(y, x)) >= 0:
            return y
        return self.between(max(self.low(x), self.low(y)), max(self.high(x), self.high(y)))

    def smaller(self, x: Number, y: Number) -> Number:
        """min(x, y)."""
        return self.negate(self.larger(self.negate(x), self.negate(y)))

    def either(self, x: Number, y: Number) -> Number:
        """x or y."""
        if self._wild(x) or self._wild(y):
            return UNKNOWN
        if x[0] == y[0]:
            return (x[0], min(x[1], y[1]), max(x[2], y[2]))
        return self.between(min(self.low(x), self.low(y)), max(self.high(x), self.high(y)))

    def at_least(self, x: Number, y: Number) -> Number:
        """Truth of x >= y."""
        difference = self.subtract(x, y)
        if self.low(difference) >= 0:
            return ONE
        return ZERO if self.high(difference) < 0 else TRUTH

    def equal(self, x: Number, y: Number) -> Number:
        """Truth of x = y."""
        difference = self.subtract(x, y)
        if difference == ZERO:
            return ONE
        return ZERO if self.low(difference) > 0 or self.high(difference) < 0 else TRUTH

    def product(self, numbers: Sequence[Number]) -> Number:
        """Of extents: none is negative."""
        total = ONE
        for number in numbers:
            total = self.multiply(total, number)
        return total

    def text(self, number: Number) -> str:
        """For errors."""
        low, high = self.low(number), self.high(number)
        return str(low) if low == high else f"{low} to {high}"


def _quotient(x: int, y: int, up: bool) -> int:
    whole = abs(x) // y if x >= 0 else -(abs(x) // y)
    return whole + 1 if up and x > 0 and x % y else whole
