// SpiralConv3D on the CPU: the causal convolution over a mesh's spirals and the past frames (EmoFace paper, eqs. 1-3).
//
// Pointers and sizes only: no framework type crosses this header. C++17, no exceptions out of any function.
//
// Operator (one batch entry; frames t = 0 ... n - 1 are the new ones):
//
//   y[t, v, o] = bias[o] + sum_{age < delta} sum_{k < K} sum_{c < Cin}
//                    weight[o, delta - 1 - age, k, c] * x[t - age, spiral[v, k], c]
//
// Frames before the first new one are not needed again: what they owe to the frames to come is carried as partial
// sums. partial[i] is owed to new frame i, new_partial[i] to the i-th frame after this call. Zeros are the start of a
// stream (causal zero padding).
//
// Layout: every array is dense, row-major:
//   x            [B, n, V, Cin]           float32
//   partial      [B, delta - 1, V, Cout]  float32; may be null when delta = 1
//   spiral       [V, K]                   int32, values 0 ... V - 1
//   weight       [Cout, delta * K * Cin]  float32, oldest frame first, then spiral position, then channel
//   bias         [Cout]                   float32
//   y            [B, n, V, Cout]          float32
//   new_partial  [B, delta - 1, V, Cout]  float32; may be `partial` itself, no other overlap is allowed
// Alignment: that of the element type (4 bytes); a pointer that is not is refused.
// Bits: for one instruction set the result of a frame does not depend on how a stream was cut into calls.
// Threads: a call runs on the caller's thread; a SpiralConv3D is immutable once made and may be used by many threads.
#pragma once

#include <cstdint>
#include <memory>

namespace emoface {

enum class Status : int {
    ok = 0,
    null_pointer,       // a required pointer is null
    bad_size,           // a size is not positive, or a product of sizes does not fit
    misaligned,         // a pointer is not a multiple of 4 bytes
    index_out_of_range, // a spiral lists a vertex below 0 or not below V
    isa_unavailable,    // this build or this processor lacks the instruction set
    out_of_memory,
    launch_failed,      // CUDA refused the kernel
};

// English text, static storage: what was wrong and what is expected.
const char* status_text(Status status) noexcept;

enum class Isa : int { automatic = 0, scalar, avx2, avx512 };

const char* isa_name(Isa isa) noexcept;
// Is it compiled in and does this processor (and its operating system) have it? `automatic` and `scalar` always are.
bool isa_available(Isa isa) noexcept;
// The instruction set that `automatic` stands for on this machine.
Isa best_isa() noexcept;

struct SpiralConv3DSizes {
    int64_t vertices;      // V
    int64_t kernel;        // K
    int64_t channels_in;   // Cin
    int64_t channels_out;  // Cout
    int64_t delta;
};

// Are all spiral entries 0 ... vertices - 1? `spiral` has `count` entries.
Status check_spiral(const int32_t* spiral, int64_t count, int64_t vertices) noexcept;

// The operator with its weights packed for one instruction set and its spirals checked: made once, run often.
// Everything given is copied.
class SpiralConv3D {
public:
    // On success `*made` is set; on failure it is left alone.
    static Status make(const SpiralConv3DSizes& sizes, const int32_t* spiral, const float* weight, const float* bias,
                       Isa isa, std::unique_ptr<SpiralConv3D>* made) noexcept;
    ~SpiralConv3D();

    Status run(int64_t batch, int64_t frames, const float* x, const float* partial, float* y,
               float* new_partial) const noexcept;

    const SpiralConv3DSizes& sizes() const noexcept;
    Isa isa() const noexcept;

    SpiralConv3D(const SpiralConv3D&) = delete;
    SpiralConv3D& operator=(const SpiralConv3D&) = delete;

private:
    struct Packed;
    explicit SpiralConv3D(std::unique_ptr<Packed> packed) noexcept;
    std::unique_ptr<Packed> packed_;
};

// Make and run in one call, for weights that are used once.
Status spiral_conv3d(const SpiralConv3DSizes& sizes, int64_t batch, int64_t frames, const float* x,
                     const float* partial, const int32_t* spiral, const float* weight, const float* bias, float* y,
                     float* new_partial, Isa isa) noexcept;

}  // namespace emoface
