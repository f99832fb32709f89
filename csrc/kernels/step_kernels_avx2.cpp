// step_kernels.h for AVX2 with FMA and half-precision conversion (every processor with AVX2 has it).
#include "step_kernels_variants.h"

#ifdef EMOFACE_X86_VARIANTS
#include <immintrin.h>

#include "target_begin_avx2.inl"

namespace emoface::detail {
namespace {

struct Wide {
    using Vector = __m256;
    static constexpr int width = 8;
    EMOFACE_INLINE static Vector zero() { return _mm256_setzero_ps(); }
    EMOFACE_INLINE static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    EMOFACE_INLINE static void store(float* p, Vector a) { _mm256_storeu_ps(p, a); }
    EMOFACE_INLINE static Vector broadcast(float a) { return _mm256_set1_ps(a); }
    EMOFACE_INLINE static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    EMOFACE_INLINE static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
    EMOFACE_INLINE static float sum(Vector a) {
        const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
    EMOFACE_INLINE static Vector load_half(const uint16_t* p) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
};

#include "step_kernels.inl"

}  // namespace

const StepVariant avx2_steps = variant;

}  // namespace emoface::detail

#include "target_end.inl"
#endif
