// Internal: the instruction-set variants of vertex_frames.h.
#pragma once

#include "spiral_conv3d_variants.h"
#include "vertex_frames.h"

namespace emoface::detail {

using VertexFrame = void (*)(int64_t vertices, int64_t channels, const float* audio, const float* constants, float* y);

struct FrameVariant {
    VertexFrame plain, elu;
    void (*blend)(int64_t count, const float* difference, const float* emotion, const float* content, float* offsets,
                  float* weight);
};

extern const FrameVariant scalar_frames;
#ifdef EMOFACE_X86_VARIANTS
extern const FrameVariant avx2_frames;
extern const FrameVariant avx512_frames;
#endif

}  // namespace emoface::detail
