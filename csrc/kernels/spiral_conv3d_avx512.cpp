// SpiralConv3D for AVX-512 (F, DQ and VL): 32 registers of 16 or 8 lanes.
#include "spiral_conv3d_variants.h"

#ifdef EMOFACE_X86_VARIANTS
#include <immintrin.h>

#include "target_begin_avx512.inl"

namespace emoface::detail {
namespace {

#include "lanes_256.inl"

struct Lanes512 {
    using Vector = __m512;
    static constexpr int width = 16;

    EMOFACE_INLINE static Vector zero() { return _mm512_setzero_ps(); }
    EMOFACE_INLINE static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    EMOFACE_INLINE static void store(float* p, Vector a) { _mm512_storeu_ps(p, a); }
    EMOFACE_INLINE static Vector broadcast(const float* p) { return _mm512_set1_ps(*p); }
    EMOFACE_INLINE static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    EMOFACE_INLINE static Vector add_product(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
};

// The dot form gathers rows that are no multiple of a cache line: whole-line vectors would straddle two lines nearly
// always. It takes 8 lanes and the 32 registers instead (measured on Zen 4 at Cin 12: 2.8 times faster).
using DotLanes = Lanes256;
using PanelLanes = Lanes512;
constexpr int dot_vertices = 8;    // 3 columns x 8 vertices: 24 of 32 registers hold sums
constexpr int panel_vertices = 8;  // 3 vectors x 8 vertices likewise

#include "spiral_conv3d_simd.inl"

}  // namespace

const Variant avx512_variant{packed_size, pack, frame};

}  // namespace emoface::detail

#include "target_end.inl"
#endif
