// The body of SpiralConv3D's CUDA kernel: what one thread computes. Plain C++ for a host compiler too, so that the test
// runs it over the full grid on a machine without a GPU.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define EMOFACE_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define EMOFACE_HOST_DEVICE inline
#endif

namespace emoface::device {

// Sizes as 32-bit numbers where the operator's own limits allow it; counts of elements are 64-bit.
struct Grid {
    int32_t batch, frames, vertices, kernel, channels_in, channels_out, delta;

    // One thread per sum: frames + delta - 1 frames, of which the last delta - 1 are owed to later calls.
    EMOFACE_HOST_DEVICE int64_t threads() const {
        return int64_t(batch) * (frames + delta - 1) * vertices * channels_out;
    }
};

template <class T> struct Arrays {
    const T* x;
    const T* partial;
    const int32_t* spiral;
    const T* weight;
    const T* bias;
    T* y;
    T* new_partial;
};

EMOFACE_HOST_DEVICE float number(float value) { return value; }
EMOFACE_HOST_DEVICE void store(float* to, float value) { *to = value; }

// What frame t's neighbours of vertex v give to output o of the frame `age` later. Summed per position first, which
// keeps rounding errors small. A spiral entry that is no vertex gives NaN: nothing outside x is read.
template <class T>
EMOFACE_HOST_DEVICE float contribution(const Grid& g, const Arrays<T>& a, int32_t b, int32_t t, int32_t v, int32_t o,
                                       int32_t age) {
    const T* frame = a.x + (int64_t(b) * g.frames + t) * g.vertices * g.channels_in;
    const T* taps = a.weight + (int64_t(o) * g.delta + g.delta - 1 - age) * g.kernel * g.channels_in;
    const int32_t* ring = a.spiral + int64_t(v) * g.kernel;
    float sum = 0.0f;
    for (int32_t k = 0; k < g.kernel; ++k, taps += g.channels_in) {
        const int32_t vertex = ring[k];
        if (vertex < 0 || vertex >= g.vertices) return NAN;
        const T* values = frame + int64_t(vertex) * g.channels_in;
        float position = 0.0f;
        for (int32_t c = 0; c < g.channels_in; ++c) position += number(values[c]) * number(taps[c]);
        sum += position;
    }
    return sum;
}

// Where thread `index` of grid.threads() works: output o of vertex v of frame f; frames from `frames` on are owed.
struct Place {
    int32_t b, f, v, o;
    EMOFACE_HOST_DEVICE Place(const Grid& g, int64_t index) {
        o = int32_t(index % g.channels_out);
        v = int32_t(index / g.channels_out % g.vertices);
        const int64_t row = index / g.channels_out / g.vertices;
        f = int32_t(row % (g.frames + g.delta - 1));
        b = int32_t(row / (g.frames + g.delta - 1));
    }
    // Element of an array [B, rows, V, Cout] at row `row`.
    EMOFACE_HOST_DEVICE int64_t element(const Grid& g, int32_t rows, int32_t row) const {
        return ((int64_t(b) * rows + row) * g.vertices + v) * g.channels_out + o;
    }
};

// The sum at a place, without bias. Oldest frame first, as the sums grow in a stream, so that in float a frame's bits
// do not depend on how the stream was cut.
template <class T> EMOFACE_HOST_DEVICE float spiral_sum(const Grid& g, const Arrays<T>& a, const Place& at) {
    const int32_t owed = g.delta - 1;
    float sum = at.f < owed ? number(a.partial[at.element(g, owed, at.f)]) : 0.0f;
    for (int32_t age = owed; age >= 0; --age)
        if (at.f - age >= 0 && at.f - age < g.frames) sum += contribution(g, a, at.b, at.f - age, at.v, at.o, age);
    return sum;
}

// Thread `index` of grid.threads(): one element of y or of new_partial.
template <class T> EMOFACE_HOST_DEVICE void spiral_conv3d_thread(const Grid& g, const Arrays<T>& a, int64_t index) {
    const Place at(g, index);
    const float sum = spiral_sum(g, a, at);
    if (at.f < g.frames) store(a.y + at.element(g, g.frames, at.f), sum + number(a.bias[at.o]));
    else store(a.new_partial + at.element(g, g.delta - 1, at.f - g.frames), sum);
}

}  // namespace emoface::device
