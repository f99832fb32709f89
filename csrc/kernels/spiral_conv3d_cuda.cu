// CUDA launch of spiral_conv3d_device.h: fp32 and fp16.
//   nvcc -O3 -std=c++17 -gencode arch=compute_80,code=sm_80 ... -c spiral_conv3d_cuda.cu
#include "spiral_conv3d_cuda.h"

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <initializer_list>

#include "spiral_conv3d_device.h"

// In the global namespace, where the body's templates look for functions of __half.
__host__ __device__ __forceinline__ float number(__half value) { return __half2float(value); }
__host__ __device__ __forceinline__ void store(__half* to, float value) { *to = __float2half(value); }

namespace emoface {
namespace {

constexpr int threads_per_block = 128;

template <class T> __global__ void kernel(device::Grid grid, device::Arrays<T> arrays) {
    const int64_t index = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (index < grid.threads()) device::spiral_conv3d_thread(grid, arrays, index);
}

template <class T>
void launch(const device::Grid& grid, const void* x, const void* partial, const int32_t* spiral, const void* weight,
            const void* bias, void* y, void* new_partial, cudaStream_t stream) {
    const device::Arrays<T> arrays{static_cast<const T*>(x),      static_cast<const T*>(partial), spiral,
                                   static_cast<const T*>(weight), static_cast<const T*>(bias),    static_cast<T*>(y),
                                   static_cast<T*>(new_partial)};
    const int64_t blocks = (grid.threads() + threads_per_block - 1) / threads_per_block;
    kernel<T><<<static_cast<unsigned>(blocks), threads_per_block, 0, stream>>>(grid, arrays);
}

bool aligned(std::initializer_list<const void*> pointers, uintptr_t size) {
    for (const void* pointer : pointers)
        if (reinterpret_cast<uintptr_t>(pointer) % size) return false;
    return true;
}

bool small(int64_t size) { return size > 0 && size < (int64_t(1) << 31); }

}  // namespace

Status spiral_conv3d_cuda(const SpiralConv3DSizes& s, int64_t batch, int64_t frames, Precision precision,
                          const void* x, const void* partial, const int32_t* spiral, const void* weight,
                          const void* bias, void* y, void* new_partial, void* stream, int* cuda_error) noexcept {
    if (!x || !spiral || !weight || !bias || !y || (s.delta > 1 && (!partial || !new_partial)))
        return Status::null_pointer;
    if (!aligned({x, partial, weight, bias, y, new_partial}, precision == Precision::fp16 ? 2 : 4) || !aligned({spiral}, 4))
        return Status::misaligned;
    if (!small(batch) || !small(frames) || !small(s.vertices) || !small(s.kernel) || !small(s.channels_in) ||
        !small(s.channels_out) || s.delta < 1 || s.delta > 64 || !small(frames + s.delta))
        return Status::bad_size;
    // The number of sums must fit into a grid; factors are below 2^31, so two can be multiplied at a time.
    constexpr int64_t most = (int64_t(1) << 31) * threads_per_block - threads_per_block;
    const int64_t row = s.vertices * s.channels_out, rows = batch * (frames + s.delta - 1);
    if (row > most || rows > most / row) return Status::bad_size;
    const device::Grid grid{int32_t(batch),         int32_t(frames),         int32_t(s.vertices), int32_t(s.kernel),
                            int32_t(s.channels_in), int32_t(s.channels_out), int32_t(s.delta)};
    const auto queue = static_cast<cudaStream_t>(stream);
    if (precision == Precision::fp16) launch<__half>(grid, x, partial, spiral, weight, bias, y, new_partial, queue);
    else launch<float>(grid, x, partial, spiral, weight, bias, y, new_partial, queue);
    const cudaError_t error = cudaGetLastError();
    if (cuda_error) *cuda_error = static_cast<int>(error);
    return error == cudaSuccess ? Status::ok : Status::launch_failed;
}

}  // namespace emoface

// For programs that load the library by name (tests, benchmarks): sizes are V, K, Cin, Cout, delta.
#if defined(_WIN32)
#define EMOFACE_EXPORT extern "C" __declspec(dllexport)
#else
#define EMOFACE_EXPORT extern "C" __attribute__((visibility("default")))
#endif
EMOFACE_EXPORT int emoface_spiral_conv3d_cuda(const int64_t* sizes, int64_t batch, int64_t frames, int half,
                                              const void* x, const void* partial, const int32_t* spiral,
                                              const void* weight, const void* bias, void* y, void* new_partial,
                                              void* stream, int* cuda_error) {
    if (!sizes) return static_cast<int>(emoface::Status::null_pointer);
    const emoface::SpiralConv3DSizes s{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    const auto precision = half ? emoface::Precision::fp16 : emoface::Precision::fp32;
    return static_cast<int>(emoface::spiral_conv3d_cuda(s, batch, frames, precision, x, partial, spiral, weight, bias, y,
                                                        new_partial, stream, cuda_error));
}
