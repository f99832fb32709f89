// step_kernels.h for AVX-512.
#include "step_kernels_variants.h"

#ifdef EMOFACE_X86_VARIANTS
#include <immintrin.h>

#include "target_begin_avx512.inl"

namespace emoface::detail {
namespace {

struct Wide {
    using Vector = __m512;
    static constexpr int width = 16;
    EMOFACE_INLINE static Vector zero() { return _mm512_setzero_ps(); }
    EMOFACE_INLINE static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    EMOFACE_INLINE static void store(float* p, Vector a) { _mm512_storeu_ps(p, a); }
    EMOFACE_INLINE static Vector broadcast(float a) { return _mm512_set1_ps(a); }
    EMOFACE_INLINE static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    EMOFACE_INLINE static Vector multiply_add(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
    EMOFACE_INLINE static float sum(Vector a) { return _mm512_reduce_add_ps(a); }
    EMOFACE_INLINE static Vector load_half(const uint16_t* p) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    }
};

#include "step_kernels.inl"

}  // namespace

const StepVariant avx512_steps = variant;

}  // namespace emoface::detail

#include "target_end.inl"
#endif
