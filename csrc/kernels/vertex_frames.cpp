// Checks, dispatch and the scalar variant of vertex_frames.h.
#include <limits>

#include "vertex_frames_variants.h"

namespace emoface {
namespace detail {
namespace {
#include "vertex_frames.inl"
}  // namespace

const FrameVariant scalar_frames{vertex_frame<Activation::none>, vertex_frame<Activation::elu>, blend};

}  // namespace detail

namespace {

const detail::FrameVariant* variant_of(Isa isa) noexcept {
    if (!isa_available(isa)) return nullptr;
    if (isa == Isa::automatic) isa = best_isa();
#ifdef EMOFACE_X86_VARIANTS
    if (isa == Isa::avx2) return &detail::avx2_frames;
    if (isa == Isa::avx512) return &detail::avx512_frames;
#endif
    return &detail::scalar_frames;
}

bool misaligned(const void* pointer, size_t size) noexcept { return reinterpret_cast<uintptr_t>(pointer) % size != 0; }

bool too_large(int64_t a, int64_t b) noexcept { return a > std::numeric_limits<int64_t>::max() / 16 / b; }

}  // namespace

Status vertex_layer(int64_t frames, int64_t vertices, int64_t channels, int64_t delta, const float* audio,
                    const float* constants, const int64_t* available, Activation activation, float* y,
                    Isa isa) noexcept {
    if (!audio || !constants || !available || !y) return Status::null_pointer;
    if (misaligned(audio, 4) || misaligned(constants, 4) || misaligned(available, 8) || misaligned(y, 4))
        return Status::misaligned;
    if (frames <= 0 || vertices <= 0 || channels <= 0 || delta <= 0) return Status::bad_size;
    if (too_large(vertices, channels) || too_large(vertices * channels, frames) ||
        too_large(vertices * channels, delta))
        return Status::bad_size;
    for (int64_t t = 0; t < frames; ++t)
        if (available[t] < 0 || available[t] >= delta) return Status::index_out_of_range;
    const detail::FrameVariant* variant = variant_of(isa);
    if (!variant) return Status::isa_unavailable;
    const auto one_frame = activation == Activation::elu ? variant->elu : variant->plain;
    const int64_t size = vertices * channels;
    for (int64_t t = 0; t < frames; ++t)
        one_frame(vertices, channels, audio + t * channels, constants + available[t] * size, y + t * size);
    return Status::ok;
}

Status blend_branches(int64_t count, const float* difference, const float* emotion, const float* content,
                      float* offsets, float* weight, Isa isa) noexcept {
    if (!difference || !emotion || !content || !offsets) return Status::null_pointer;
    if (misaligned(difference, 4) || misaligned(emotion, 4) || misaligned(content, 4) || misaligned(offsets, 4) ||
        misaligned(weight, 4))
        return Status::misaligned;
    if (count <= 0 || too_large(count, 3)) return Status::bad_size;
    const detail::FrameVariant* variant = variant_of(isa);
    if (!variant) return Status::isa_unavailable;
    variant->blend(count, difference, emotion, content, offsets, weight);
    return Status::ok;
}

}  // namespace emoface
