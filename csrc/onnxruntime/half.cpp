#include "half.h"

#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define EMOFACE_F16C 1
#include <immintrin.h>
#endif

namespace emoface {
namespace {

float one_from_half(uint16_t half) noexcept {
    const uint32_t sign = uint32_t(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 0x3ffu;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000u | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {  // zero or subnormal: fraction * 2^-24 is exact in float
        const float value = float(fraction) * 5.9604644775390625e-8f;
        std::memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t one_to_half(float value) noexcept {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return uint16_t(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));  // NaN
    if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00u);  // 65520 and more round to infinity
    if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 rounds at the subnormals' last place
        float absolute;
        std::memcpy(&absolute, &magnitude, sizeof absolute);
        absolute += 0.5f;
        uint32_t shifted;
        std::memcpy(&shifted, &absolute, sizeof shifted);
        return uint16_t(sign | (shifted - 0x3f000000u));
    }
    const uint32_t even = magnitude >> 13 & 1u;
    return uint16_t(sign | (magnitude - 0x38000000u + 0xfffu + even) >> 13);
}

#ifdef EMOFACE_F16C
__attribute__((target("avx,f16c"))) void from_half_f16c(const uint16_t* half, float* values, int64_t count) noexcept {
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(values + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half + i))));
    for (; i < count; ++i) values[i] = _cvtsh_ss(half[i]);
}

__attribute__((target("avx,f16c"))) void to_half_f16c(const float* values, uint16_t* half, int64_t count) noexcept {
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(half + i), _mm256_cvtps_ph(_mm256_loadu_ps(values + i), 0));
    for (; i < count; ++i) half[i] = _cvtss_sh(values[i], 0);
}

bool has_f16c() noexcept {
    static const bool has = __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
    return has;
}
#endif

}  // namespace

void from_half(const uint16_t* half, float* values, int64_t count) noexcept {
#ifdef EMOFACE_F16C
    if (has_f16c()) return from_half_f16c(half, values, count);
#endif
    for (int64_t i = 0; i < count; ++i) values[i] = one_from_half(half[i]);
}

void to_half(const float* values, uint16_t* half, int64_t count) noexcept {
#ifdef EMOFACE_F16C
    if (has_f16c()) return to_half_f16c(values, half, count);
#endif
    for (int64_t i = 0; i < count; ++i) half[i] = one_to_half(values[i]);
}

}  // namespace emoface
