// What the CUDA launchers share: half precision for the bodies, checks, one thread per element.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <initializer_list>

#include "spiral_conv3d_cuda.h"
#include "spiral_conv3d_device.h"

// In the global namespace, where the bodies' templates look for functions of __half.
__host__ __device__ __forceinline__ float number(__half value) { return __half2float(value); }
__host__ __device__ __forceinline__ void store(__half* to, float value) { *to = __float2half(value); }

namespace emoface::cuda {

constexpr int threads_per_block = 128;
// The number of elements must fit into one grid.
constexpr int64_t most_threads = (int64_t(1) << 31) * threads_per_block - threads_per_block;

inline bool small(int64_t size) { return size > 0 && size < (int64_t(1) << 31); }

inline bool any_null(std::initializer_list<const void*> pointers) {
    for (const void* pointer : pointers)
        if (!pointer) return true;
    return false;
}

inline bool aligned(std::initializer_list<const void*> pointers, uintptr_t size) {
    for (const void* pointer : pointers)
        if (reinterpret_cast<uintptr_t>(pointer) % size) return false;
    return true;
}

inline uintptr_t size_of(Precision precision) { return precision == Precision::fp16 ? 2 : 4; }

template <class Work> __global__ void kernel(Work work, int64_t threads) {
    const int64_t index = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (index < threads) work(index);
}

// Queues work(0) ... work(threads - 1).
template <class Work> Status launch(const Work& work, int64_t threads, void* stream, int* cuda_error) {
    const int64_t blocks = (threads + threads_per_block - 1) / threads_per_block;
    kernel<<<static_cast<unsigned>(blocks), threads_per_block, 0, static_cast<cudaStream_t>(stream)>>>(work, threads);
    const cudaError_t error = cudaGetLastError();
    if (cuda_error) *cuda_error = static_cast<int>(error);
    return error == cudaSuccess ? Status::ok : Status::launch_failed;
}

// Are the sizes of a call of SpiralConv3D in range?
inline bool fits(const SpiralConv3DSizes& s, int64_t batch, int64_t frames) {
    if (!small(batch) || !small(frames) || !small(s.vertices) || !small(s.kernel) || !small(s.channels_in) ||
        !small(s.channels_out) || s.delta < 1 || s.delta > 64 || !small(frames + s.delta))
        return false;
    // Factors are below 2^31, so two can be multiplied at a time.
    const int64_t row = s.vertices * s.channels_out, rows = batch * (frames + s.delta - 1);
    return row <= most_threads && rows <= most_threads / row;
}

inline device::Grid grid_of(const SpiralConv3DSizes& s, int64_t batch, int64_t frames) {
    return {int32_t(batch),         int32_t(frames),         int32_t(s.vertices), int32_t(s.kernel),
            int32_t(s.channels_in), int32_t(s.channels_out), int32_t(s.delta)};
}

template <class T>
device::Arrays<T> arrays_of(const void* x, const void* partial, const int32_t* spiral, const void* weight,
                            const void* bias, void* y, void* new_partial) {
    return {static_cast<const T*>(x),    static_cast<const T*>(partial), spiral,
            static_cast<const T*>(weight), static_cast<const T*>(bias),  static_cast<T*>(y),
            static_cast<T*>(new_partial)};
}

}  // namespace emoface::cuda

// For programs that load the library by name (tests, benchmarks).
#if defined(_WIN32)
#define EMOFACE_EXPORT extern "C" __declspec(dllexport)
#else
#define EMOFACE_EXPORT extern "C" __attribute__((visibility("default")))
#endif
