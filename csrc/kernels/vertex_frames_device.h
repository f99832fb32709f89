// The bodies of the CUDA kernels around SpiralConv3D: what one thread computes. Plain C++ for a host compiler too.
#pragma once

#include "spiral_conv3d_device.h"

namespace emoface::device {

// First layer of Mesh Attention: y[t, v, c] = activation(audio[t, c] + constants[available[t], v, c]).
template <class T> struct VertexLayer {
    int32_t frames, vertices, channels, delta;
    bool elu;
    const T* audio;            // [n, C]
    const T* constants;        // [delta, V, C]
    const int64_t* available;  // [n], 0 ... delta - 1
    T* y;                      // [n, V, C]

    EMOFACE_HOST_DEVICE int64_t threads() const { return int64_t(frames) * vertices * channels; }
};

// An `available` out of range gives NaN: nothing outside the constants is read.
template <class T> EMOFACE_HOST_DEVICE void vertex_layer_thread(const VertexLayer<T>& l, int64_t index) {
    const int64_t row = int64_t(l.vertices) * l.channels, t = index / row, at = index % row;
    const int64_t has = l.available[t];
    if (has < 0 || has >= l.delta) return store(l.y + index, NAN);
    const float sum = number(l.audio[t * l.channels + at % l.channels]) + number(l.constants[has * row + at]);
    store(l.y + index, l.elu && sum < 0.0f ? expm1f(sum) : sum);
}

// Second layer (one output: the logit of the emotion branch less that of the content branch), fused with the softmax
// over the two and the blend of both branches' offsets.
template <class T> struct Blend {
    const T* emotion;  // [B, n, V, 3]
    const T* content;  // [B, n, V, 3]
    T* offsets;        // [B, n, V, 3]
    T* weight;         // [B, n, V]; may be null
};

template <class T>
EMOFACE_HOST_DEVICE void spiral_blend_thread(const Grid& g, const Arrays<T>& a, const Blend<T>& blend, int64_t index) {
    const Place at(g, index);
    const float sum = spiral_sum(g, a, at);
    if (at.f >= g.frames) return store(a.new_partial + at.element(g, g.delta - 1, at.f - g.frames), sum);
    const int64_t vertex = at.element(g, g.frames, at.f);
    // exp of a large negative difference is infinite and the weight 0, as it should be
    const float weight = 1.0f / (1.0f + expf(-(sum + number(a.bias[0]))));
    if (blend.weight) store(blend.weight + vertex, weight);
    for (int64_t i = 3 * vertex; i < 3 * vertex + 3; ++i) {
        const float content = number(blend.content[i]);
        store(blend.offsets + i, content + weight * (number(blend.emotion[i]) - content));
    }
}

}  // namespace emoface::device
