// IEEE half precision to and from float, for processors with and without instructions for it.
#pragma once

#include <cstdint>

namespace emoface {

// float[i] = half[i]; halves are given by their bits.
void from_half(const uint16_t* half, float* values, int64_t count) noexcept;

// half[i] = values[i], rounded to nearest even; too large becomes infinite, NaN stays NaN.
void to_half(const float* values, uint16_t* half, int64_t count) noexcept;

}  // namespace emoface
