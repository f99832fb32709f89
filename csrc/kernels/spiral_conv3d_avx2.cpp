// SpiralConv3D for AVX2 with FMA: 16 registers of 8 lanes.
#include "spiral_conv3d_variants.h"

#ifdef EMOFACE_X86_VARIANTS
#include <immintrin.h>

#include "target_begin_avx2.inl"

namespace emoface::detail {
namespace {

#include "lanes_256.inl"

using DotLanes = Lanes256;
using PanelLanes = Lanes256;
constexpr int dot_vertices = 4;    // 3 columns x 4 vertices: 12 of 16 registers hold sums
constexpr int panel_vertices = 4;  // 3 vectors x 4 vertices likewise

#include "spiral_conv3d_simd.inl"

}  // namespace

const Variant avx2_variant{packed_size, pack, frame};

}  // namespace emoface::detail

#include "target_end.inl"
#endif
