// CUDA launch of spiral_conv3d_device.h: fp32 and fp16. setup.py compiles it for SM 80 to 120, with PTX.
#include "cuda_support.cuh"

namespace emoface {
namespace {

template <class T> struct Work {
    device::Grid grid;
    device::Arrays<T> arrays;
    __device__ void operator()(int64_t index) const { device::spiral_conv3d_thread(grid, arrays, index); }
};

}  // namespace

Status spiral_conv3d_cuda(const SpiralConv3DSizes& s, int64_t batch, int64_t frames, Precision precision,
                          const void* x, const void* partial, const int32_t* spiral, const void* weight,
                          const void* bias, void* y, void* new_partial, void* stream, int* cuda_error) noexcept {
    if (cuda::any_null({x, spiral, weight, bias, y}) || (s.delta > 1 && cuda::any_null({partial, new_partial})))
        return Status::null_pointer;
    if (!cuda::aligned({x, partial, weight, bias, y, new_partial}, cuda::size_of(precision)) || !cuda::aligned({spiral}, 4))
        return Status::misaligned;
    if (!cuda::fits(s, batch, frames)) return Status::bad_size;
    const device::Grid grid = cuda::grid_of(s, batch, frames);
    if (precision == Precision::fp16)
        return cuda::launch(Work<__half>{grid, cuda::arrays_of<__half>(x, partial, spiral, weight, bias, y, new_partial)},
                            grid.threads(), stream, cuda_error);
    return cuda::launch(Work<float>{grid, cuda::arrays_of<float>(x, partial, spiral, weight, bias, y, new_partial)},
                        grid.threads(), stream, cuda_error);
}

}  // namespace emoface

// sizes: V, K, Cin, Cout, delta.
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
