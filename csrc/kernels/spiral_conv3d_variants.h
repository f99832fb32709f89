// Internal: what the instruction-set variants of SpiralConv3D share with the dispatcher. Not part of the interface.
//
// A frame's work is one product: every vertex's gathered neighbours [K * Cin] times N = delta * Cout columns, column
// age * Cout + o being what the frame gives to output o of the frame `age` later. Two forms, both without a copy of
// the gathered neighbours:
//   dot    lanes run over the gathered values; good for few columns (one logit: N = 3)
//   panel  lanes run over the columns, values are broadcast; good for many columns
#pragma once

#include <cstdint>

#include "spiral_conv3d.h"

// Inlined in any case: a vector passed through memory would undo the point of the variants.
#if defined(__GNUC__)
#define EMOFACE_INLINE inline __attribute__((always_inline))
#else
#define EMOFACE_INLINE inline
#endif

namespace emoface::detail {

enum class Form { dot, panel };

constexpr int64_t maximal_delta = 64;

// Where one frame's columns go: the frame `age` later gets target[age] = source[age] + sum, with a null source
// meaning zero; age 0 is finished and also gets the bias. All [V, Cout].
struct FrameTargets {
    const float* source[maximal_delta];
    float* target[maximal_delta];
};

struct Problem {
    SpiralConv3DSizes sizes;
    const int32_t* spiral;
    const float* packed;
    const float* bias;
};

// A variant: how many floats its packed weights take, how it packs them, how it computes one frame x [V, Cin].
struct Variant {
    int64_t (*packed_size)(const SpiralConv3DSizes& sizes);
    void (*pack)(const SpiralConv3DSizes& sizes, const float* weight, float* packed);  // packed: zeros on entry
    void (*frame)(const Problem& problem, const float* x, const FrameTargets& to);
};

// weight[o, delta - 1 - age, k, c]
EMOFACE_INLINE static float tap(const SpiralConv3DSizes& s, const float* weight, int64_t age, int64_t o, int64_t k,
                                int64_t c) {
    return weight[((o * s.delta + s.delta - 1 - age) * s.kernel + k) * s.channels_in + c];
}

extern const Variant scalar_variant;
#if defined(__x86_64__) && defined(__GNUC__)
#define EMOFACE_X86_VARIANTS 1
extern const Variant avx2_variant;
extern const Variant avx512_variant;
#endif

}  // namespace emoface::detail
