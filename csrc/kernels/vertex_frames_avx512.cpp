// vertex_frames.h for AVX-512.
#include "vertex_frames_variants.h"

#ifdef EMOFACE_X86_VARIANTS
#include "target_begin_avx512.inl"

namespace emoface::detail {
namespace {
#include "vertex_frames.inl"
}  // namespace

const FrameVariant avx512_frames{vertex_frame<Activation::none>, vertex_frame<Activation::elu>, blend};

}  // namespace emoface::detail

#include "target_end.inl"
#endif
