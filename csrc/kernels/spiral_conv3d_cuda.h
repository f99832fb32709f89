// SpiralConv3D on an NVIDIA GPU. Needs no CUDA header: pointers are device pointers, the stream a cudaStream_t.
#pragma once

#include <cstdint>

#include "spiral_conv3d.h"

namespace emoface {

enum class Precision : int { fp32 = 0, fp16 };

// Queues the operator of spiral_conv3d.h on `stream` (null: the default stream) and returns without waiting.
// Layouts are those of spiral_conv3d.h; x, partial, weight, bias, y and new_partial have the given precision, sums are
// taken in fp32. new_partial must not be partial. `spiral` cannot be checked from here: check it with check_spiral
// before it is uploaded; an entry out of range gives NaN and reads nothing outside the arrays.
// `cuda_error` (may be null) receives the cudaError_t of the launch; a launch that failed returns Status::launch_failed.
Status spiral_conv3d_cuda(const SpiralConv3DSizes& sizes, int64_t batch, int64_t frames, Precision precision,
                          const void* x, const void* partial, const int32_t* spiral, const void* weight,
                          const void* bias, void* y, void* new_partial, void* stream, int* cuda_error) noexcept;

}  // namespace emoface
