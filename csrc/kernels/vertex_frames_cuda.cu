// CUDA launches of vertex_frames_device.h: fp32 and fp16.
#include "vertex_frames_cuda.h"

#include "cuda_support.cuh"
#include "vertex_frames_device.h"

namespace emoface {
namespace {

template <class T> struct LayerWork {
    device::VertexLayer<T> layer;
    __device__ void operator()(int64_t index) const { device::vertex_layer_thread(layer, index); }
};

template <class T> struct BlendWork {
    device::Grid grid;
    device::Arrays<T> arrays;
    device::Blend<T> blend;
    __device__ void operator()(int64_t index) const { device::spiral_blend_thread(grid, arrays, blend, index); }
};

template <class T>
Status layer(int64_t frames, int64_t vertices, int64_t channels, int64_t delta, bool elu, const void* audio,
             const void* constants, const int64_t* available, void* y, void* stream, int* cuda_error) {
    const device::VertexLayer<T> made{int32_t(frames),
                                      int32_t(vertices),
                                      int32_t(channels),
                                      int32_t(delta),
                                      elu,
                                      static_cast<const T*>(audio),
                                      static_cast<const T*>(constants),
                                      available,
                                      static_cast<T*>(y)};
    return cuda::launch(LayerWork<T>{made}, made.threads(), stream, cuda_error);
}

}  // namespace

Status vertex_layer_cuda(int64_t frames, int64_t vertices, int64_t channels, int64_t delta, bool elu,
                         Precision precision, const void* audio, const void* constants, const int64_t* available,
                         void* y, void* stream, int* cuda_error) noexcept {
    if (cuda::any_null({audio, constants, available, y})) return Status::null_pointer;
    if (!cuda::aligned({audio, constants, y}, cuda::size_of(precision)) || !cuda::aligned({available}, 8))
        return Status::misaligned;
    if (!cuda::small(frames) || !cuda::small(vertices) || !cuda::small(channels) || delta < 1 || delta > 64 ||
        vertices * channels > cuda::most_threads || frames > cuda::most_threads / (vertices * channels))
        return Status::bad_size;
    const auto run = precision == Precision::fp16 ? layer<__half> : layer<float>;
    return run(frames, vertices, channels, delta, elu, audio, constants, available, y, stream, cuda_error);
}

Status spiral_blend_cuda(const SpiralConv3DSizes& s, int64_t batch, int64_t frames, Precision precision, const void* x,
                         const void* partial, const int32_t* spiral, const void* conv_weight, const void* bias,
                         const void* emotion, const void* content, void* offsets, void* weight, void* new_partial,
                         void* stream, int* cuda_error) noexcept {
    if (cuda::any_null({x, spiral, conv_weight, bias, emotion, content, offsets}) ||
        (s.delta > 1 && cuda::any_null({partial, new_partial})))
        return Status::null_pointer;
    if (!cuda::aligned({x, partial, conv_weight, bias, emotion, content, offsets, weight, new_partial},
                       cuda::size_of(precision)) ||
        !cuda::aligned({spiral}, 4))
        return Status::misaligned;
    if (!cuda::fits(s, batch, frames) || s.channels_out != 1) return Status::bad_size;
    const device::Grid grid = cuda::grid_of(s, batch, frames);
    if (precision == Precision::fp16) {
        const auto arrays = cuda::arrays_of<__half>(x, partial, spiral, conv_weight, bias, nullptr, new_partial);
        const device::Blend<__half> blend{static_cast<const __half*>(emotion), static_cast<const __half*>(content),
                                          static_cast<__half*>(offsets), static_cast<__half*>(weight)};
        return cuda::launch(BlendWork<__half>{grid, arrays, blend}, grid.threads(), stream, cuda_error);
    }
    const auto arrays = cuda::arrays_of<float>(x, partial, spiral, conv_weight, bias, nullptr, new_partial);
    const device::Blend<float> blend{static_cast<const float*>(emotion), static_cast<const float*>(content),
                                     static_cast<float*>(offsets), static_cast<float*>(weight)};
    return cuda::launch(BlendWork<float>{grid, arrays, blend}, grid.threads(), stream, cuda_error);
}

}  // namespace emoface

EMOFACE_EXPORT int emoface_vertex_layer_cuda(int64_t frames, int64_t vertices, int64_t channels, int64_t delta, int elu,
                                             int half, const void* audio, const void* constants,
                                             const int64_t* available, void* y, void* stream, int* cuda_error) {
    const auto precision = half ? emoface::Precision::fp16 : emoface::Precision::fp32;
    return static_cast<int>(emoface::vertex_layer_cuda(frames, vertices, channels, delta, elu != 0, precision, audio,
                                                       constants, available, y, stream, cuda_error));
}

// sizes: V, K, Cin, 1, delta.
EMOFACE_EXPORT int emoface_spiral_blend_cuda(const int64_t* sizes, int64_t batch, int64_t frames, int half,
                                             const void* x, const void* partial, const int32_t* spiral,
                                             const void* conv_weight, const void* bias, const void* emotion,
                                             const void* content, void* offsets, void* weight, void* new_partial,
                                             void* stream, int* cuda_error) {
    if (!sizes) return static_cast<int>(emoface::Status::null_pointer);
    const emoface::SpiralConv3DSizes s{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    const auto precision = half ? emoface::Precision::fp16 : emoface::Precision::fp32;
    return static_cast<int>(emoface::spiral_blend_cuda(s, batch, frames, precision, x, partial, spiral, conv_weight, bias,
                                                       emotion, content, offsets, weight, new_partial, stream,
                                                       cuda_error));
}
