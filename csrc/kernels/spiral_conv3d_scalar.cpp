// SpiralConv3D in plain C++, for every processor. Columns come in blocks of four, so that compilers can use the vectors
// that the target is sure to have. Sums are taken per spiral position first, which keeps rounding errors small.
#include "spiral_conv3d_variants.h"

namespace emoface::detail {
namespace {

constexpr int64_t block = 4;

int64_t packed_size(const SpiralConv3DSizes& s) {
    return (s.delta * s.channels_out + block - 1) / block * block * s.kernel * s.channels_in;
}

// [block][k][c][column]
void pack(const SpiralConv3DSizes& s, const float* weight, float* packed) {
    const int64_t columns = s.delta * s.channels_out;
    for (int64_t first = 0; first < columns; first += block)
        for (int64_t k = 0; k < s.kernel; ++k)
            for (int64_t c = 0; c < s.channels_in; ++c, packed += block)
                for (int64_t j = first; j < columns && j < first + block; ++j)
                    packed[j - first] = tap(s, weight, j / s.channels_out, j % s.channels_out, k, c);
}

void columns_from(const Problem& p, const float* x, const FrameTargets& to, int64_t first, const float* weights) {
    const SpiralConv3DSizes& s = p.sizes;
    const int64_t left = s.delta * s.channels_out - first, count = left < block ? left : block;
    for (int64_t v = 0; v < s.vertices; ++v) {
        float sums[block] = {};
        const float* w = weights;
        for (int64_t k = 0; k < s.kernel; ++k) {
            const float* values = x + p.spiral[v * s.kernel + k] * s.channels_in;
            float position[block] = {};
            for (int64_t c = 0; c < s.channels_in; ++c, w += block)
                for (int64_t j = 0; j < block; ++j) position[j] += values[c] * w[j];
            for (int64_t j = 0; j < block; ++j) sums[j] += position[j];
        }
        for (int64_t j = 0; j < count; ++j) {
            const int64_t age = (first + j) / s.channels_out, o = (first + j) % s.channels_out;
            const int64_t at = v * s.channels_out + o;
            const float sum = to.source[age] ? to.source[age][at] + sums[j] : sums[j];
            to.target[age][at] = age == 0 ? sum + p.bias[o] : sum;
        }
    }
}

void frame(const Problem& p, const float* x, const FrameTargets& to) {
    const int64_t columns = p.sizes.delta * p.sizes.channels_out, entries = p.sizes.kernel * p.sizes.channels_in;
    for (int64_t first = 0; first < columns; first += block)
        columns_from(p, x, to, first, p.packed + first * entries);
}

}  // namespace

const Variant scalar_variant{packed_size, pack, frame};

}  // namespace emoface::detail
