// Checks, dispatch, the order of frames, and the scalar variant of SpiralConv3D.
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "spiral_conv3d.h"
#include "spiral_conv3d_variants.h"

namespace emoface {
namespace {

using detail::FrameTargets;
using detail::Problem;
using detail::Variant;

bool misaligned(const void* pointer) noexcept { return reinterpret_cast<uintptr_t>(pointer) % sizeof(float) != 0; }

// a * b, or -1 when a factor is -1, not positive, or the product is too large to count bytes with.
int64_t product(int64_t a, int64_t b) noexcept {
    constexpr int64_t limit = std::numeric_limits<int64_t>::max() / 16;
    return a <= 0 || b <= 0 || a > limit / b ? -1 : a * b;
}

Status check_sizes(const SpiralConv3DSizes& s) noexcept {
    constexpr int64_t int32_limit = std::numeric_limits<int32_t>::max();
    if (s.delta > detail::maximal_delta || s.vertices > int32_limit) return Status::bad_size;
    const int64_t columns = product(s.delta, s.channels_out);
    const int64_t weights = product(columns, product(s.kernel, s.channels_in));
    // Room for padding to the width of a vector in every direction.
    if (weights < 0 || product(weights, 1024) < 0) return Status::bad_size;
    if (product(s.vertices, s.kernel) < 0 || product(s.vertices, s.channels_in) < 0) return Status::bad_size;
    return product(s.vertices, columns) < 0 ? Status::bad_size : Status::ok;
}

const Variant* variant_of(Isa isa) noexcept {
    if (!isa_available(isa)) return nullptr;
    if (isa == Isa::automatic) isa = best_isa();
#ifdef EMOFACE_X86_VARIANTS
    if (isa == Isa::avx2) return &detail::avx2_variant;
    if (isa == Isa::avx512) return &detail::avx512_variant;
#endif
    return &detail::scalar_variant;
}

}  // namespace

const char* status_text(Status status) noexcept {
    switch (status) {
        case Status::ok: return "ok";
        case Status::null_pointer: return "a required pointer is null; expected an array";
        case Status::bad_size:
            return "a size is out of range; expected positive sizes, delta at most 64, fewer than 2^31 vertices, and "
                   "products that fit into 64 bits";
        case Status::misaligned: return "a pointer is not a multiple of 4 bytes; expected an aligned array";
        case Status::index_out_of_range: return "a spiral lists a vertex that does not exist; expected 0 ... V - 1";
        case Status::isa_unavailable: return "the instruction set is not available on this processor or in this build";
        case Status::out_of_memory: return "out of memory";
        case Status::launch_failed: return "CUDA refused to launch the kernel";
    }
    return "unknown status";
}

const char* isa_name(Isa isa) noexcept {
    switch (isa) {
        case Isa::automatic: return "auto";
        case Isa::scalar: return "scalar";
        case Isa::avx2: return "avx2";
        case Isa::avx512: return "avx512";
    }
    return "unknown";
}

bool isa_available(Isa isa) noexcept {
    switch (isa) {
        case Isa::automatic:
        case Isa::scalar: return true;
#ifdef EMOFACE_X86_VARIANTS
        case Isa::avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
        case Isa::avx512:
            return isa_available(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
        default: return false;
    }
}

Isa best_isa() noexcept {
    static const Isa best = isa_available(Isa::avx512) ? Isa::avx512
                            : isa_available(Isa::avx2) ? Isa::avx2
                                                       : Isa::scalar;
    return best;
}

Status check_spiral(const int32_t* spiral, int64_t count, int64_t vertices) noexcept {
    if (!spiral) return Status::null_pointer;
    if (count <= 0 || vertices <= 0) return Status::bad_size;
    if (misaligned(spiral)) return Status::misaligned;
    const uint32_t limit = vertices > std::numeric_limits<int32_t>::max() ? 0x80000000u : uint32_t(vertices);
    uint32_t outside = 0;  // branch-free, so that the compiler can use vectors
    for (int64_t i = 0; i < count; ++i) outside |= uint32_t(uint32_t(spiral[i]) >= limit);
    return outside ? Status::index_out_of_range : Status::ok;
}

struct SpiralConv3D::Packed {
    SpiralConv3DSizes sizes{};
    Isa isa = Isa::scalar;
    const Variant* variant = nullptr;
    std::unique_ptr<int32_t[]> spiral;
    std::unique_ptr<float[]> storage;  // packed weights (64-byte aligned within), then the bias
    const float* weight = nullptr;
    const float* bias = nullptr;
};

SpiralConv3D::SpiralConv3D(std::unique_ptr<Packed> packed) noexcept : packed_(std::move(packed)) {}
SpiralConv3D::~SpiralConv3D() = default;
const SpiralConv3DSizes& SpiralConv3D::sizes() const noexcept { return packed_->sizes; }
Isa SpiralConv3D::isa() const noexcept { return packed_->isa; }

Status SpiralConv3D::make(const SpiralConv3DSizes& sizes, const int32_t* spiral, const float* weight,
                          const float* bias, Isa isa, std::unique_ptr<SpiralConv3D>* made) noexcept {
    if (!spiral || !weight || !bias || !made) return Status::null_pointer;
    if (misaligned(spiral) || misaligned(weight) || misaligned(bias)) return Status::misaligned;
    if (Status status = check_sizes(sizes); status != Status::ok) return status;
    const int64_t entries = sizes.vertices * sizes.kernel;
    if (Status status = check_spiral(spiral, entries, sizes.vertices); status != Status::ok) return status;
    const Variant* variant = variant_of(isa);
    if (!variant) return Status::isa_unavailable;

    constexpr size_t line = 64 / sizeof(float);
    const size_t size = size_t(variant->packed_size(sizes));
    std::unique_ptr<Packed> packed(new (std::nothrow) Packed);
    if (!packed) return Status::out_of_memory;
    packed->spiral.reset(new (std::nothrow) int32_t[size_t(entries)]);
    packed->storage.reset(new (std::nothrow) float[size + line + size_t(sizes.channels_out)]());
    if (!packed->spiral || !packed->storage) return Status::out_of_memory;
    float* aligned = packed->storage.get();
    while (reinterpret_cast<uintptr_t>(aligned) % 64 != 0) ++aligned;
    variant->pack(sizes, weight, aligned);
    std::memcpy(aligned + size, bias, size_t(sizes.channels_out) * sizeof(float));
    std::memcpy(packed->spiral.get(), spiral, size_t(entries) * sizeof(int32_t));
    packed->sizes = sizes;
    packed->isa = isa == Isa::automatic ? best_isa() : isa;
    packed->variant = variant;
    packed->weight = aligned;
    packed->bias = aligned + size;
    SpiralConv3D* operation = new (std::nothrow) SpiralConv3D(std::move(packed));
    if (!operation) return Status::out_of_memory;
    made->reset(operation);
    return Status::ok;
}

Status SpiralConv3D::run(int64_t batch, int64_t frames, const float* x, const float* partial, float* y,
                         float* new_partial) const noexcept {
    const SpiralConv3DSizes& s = packed_->sizes;
    const int64_t owed = s.delta - 1;
    if (!x || !y || (owed > 0 && (!partial || !new_partial))) return Status::null_pointer;
    if (misaligned(x) || misaligned(y) || misaligned(partial) || misaligned(new_partial)) return Status::misaligned;
    const int64_t row = s.vertices * s.channels_out;
    const int64_t count = product(batch, frames);
    if (product(count, row) < 0 || product(count, s.vertices * s.channels_in) < 0) return Status::bad_size;
    if (owed > 0 && product(batch, owed * row) < 0) return Status::bad_size;

    const Problem problem{s, packed_->spiral.get(), packed_->weight, packed_->bias};
    FrameTargets to;
    for (int64_t b = 0; b < batch; ++b) {
        const float* old_sums = owed ? partial + b * owed * row : nullptr;
        float* new_sums = owed ? new_partial + b * owed * row : nullptr;
        float* out = y + b * frames * row;
        // The sums of frame f live in y while f is one of this call's frames, else in new_partial.
        auto place = [&](int64_t f) { return f < frames ? out + f * row : new_sums + (f - frames) * row; };
        // The first frame moves all old sums on. Ages ascend, so that new_partial may be partial.
        for (int64_t t = 0; t < frames; ++t) {
            for (int64_t age = 0; age < s.delta; ++age) {
                to.target[age] = place(t + age);
                to.source[age] = age == owed ? nullptr : t == 0 ? old_sums + age * row : to.target[age];
            }
            packed_->variant->frame(problem, x + (b * frames + t) * s.vertices * s.channels_in, to);
        }
    }
    return Status::ok;
}

Status spiral_conv3d(const SpiralConv3DSizes& sizes, int64_t batch, int64_t frames, const float* x,
                     const float* partial, const int32_t* spiral, const float* weight, const float* bias, float* y,
                     float* new_partial, Isa isa) noexcept {
    std::unique_ptr<SpiralConv3D> operation;
    if (Status status = SpiralConv3D::make(sizes, spiral, weight, bias, isa, &operation); status != Status::ok)
        return status;
    return operation->run(batch, frames, x, partial, y, new_partial);
}

}  // namespace emoface
