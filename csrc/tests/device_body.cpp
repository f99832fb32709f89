// The body of SpiralConv3D's CUDA kernel for the host, for tests/native/spiral_forms.py: every thread of the grid.
#include "spiral_conv3d_device.h"

using namespace emoface::device;

// sizes: batch, frames, vertices, kernel, channels_in, channels_out, delta
extern "C" void spiral_conv3d_on_host(const int32_t* sizes, const float* x, const float* partial, const int32_t* spiral,
                                      const float* weight, const float* bias, float* y, float* new_partial) {
    const Grid grid{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6]};
    const Arrays<float> arrays{x, partial, spiral, weight, bias, y, new_partial};
    for (int64_t index = 0; index < grid.threads(); ++index) spiral_conv3d_thread(grid, arrays, index);
}
