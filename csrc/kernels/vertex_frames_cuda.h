// What surrounds the second SpiralConv3D of Mesh Attention, on an NVIDIA GPU. Pointers are device pointers.
#pragma once

#include "spiral_conv3d_cuda.h"

namespace emoface {

// vertex_layer of vertex_frames.h: queued on `stream`. audio, constants and y have the given precision. `available`
// cannot be checked from here; an entry out of range gives NaN.
Status vertex_layer_cuda(int64_t frames, int64_t vertices, int64_t channels, int64_t delta, bool elu,
                         Precision precision, const void* audio, const void* constants, const int64_t* available,
                         void* y, void* stream, int* cuda_error) noexcept;

// spiral_conv3d_cuda with one output, its sigmoid as the emotion branch's weight, and the blend, in one kernel:
//   weight = sigmoid(y); offsets = content + weight * (emotion - content)
//   emotion, content, offsets  [B, n, V, 3]
//   weight                     [B, n, V], may be null
// sizes.channels_out must be 1. Errors as those of spiral_conv3d_cuda.
Status spiral_blend_cuda(const SpiralConv3DSizes& sizes, int64_t batch, int64_t frames, Precision precision,
                         const void* x, const void* partial, const int32_t* spiral, const void* conv_weight,
                         const void* bias, const void* emotion, const void* content, void* offsets, void* weight,
                         void* new_partial, void* stream, int* cuda_error) noexcept;

}  // namespace emoface
