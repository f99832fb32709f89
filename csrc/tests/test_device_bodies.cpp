// The bodies of the CUDA kernels around SpiralConv3D, run on the host over their full grids, against double precision.
// With -DEMOFACE_HALF and CUDA's headers also in half precision. Prints one line per failure; exit code 1 if there is
// one. Run by tests/tensorrt/test_device_bodies.py with sanitizers; SpiralConv3D's own body: test_kernels.cpp.
#if defined(EMOFACE_HALF)
#include <cuda_fp16.h>
inline float number(__half value) { return __half2float(value); }
inline void store(__half* to, float value) { *to = __float2half(value); }
#endif

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "vertex_frames_device.h"

using namespace emoface::device;

namespace {

int failures = 0;

void check(bool good, const std::string& what) {
    if (good) return;
    ++failures;
    std::printf("FAILED %s\n", what.c_str());
}

template <class T> std::vector<T> random_values(size_t count, std::mt19937& random, float scale) {
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<T> values(count);
    for (T& value : values) store(&value, normal(random));
    return values;
}

// Relative to 1 or to the value, whichever is larger; NaN is a failure.
bool near(double got, double want, double tolerance) {
    return std::fabs(got - want) <= tolerance * std::fmax(1.0, std::fabs(want));
}

template <class T> void test_layer(const char* type, double tolerance) {
    std::mt19937 random(1);
    for (int32_t channels : {1, 12, 33})
        for (bool elu : {false, true}) {
            const int32_t frames = 4, vertices = 19, delta = 3;
            const auto audio = random_values<T>(size_t(frames * channels), random, 2.0f);
            const auto constants = random_values<T>(size_t(delta * vertices * channels), random, 2.0f);
            const std::vector<int64_t> available{0, 1, 2, 2};
            std::vector<T> y(size_t(frames * vertices * channels));
            const VertexLayer<T> layer{frames, vertices, channels, delta, elu, audio.data(), constants.data(), available.data(), y.data()};
            for (int64_t i = 0; i < layer.threads(); ++i) vertex_layer_thread(layer, i);
            bool good = layer.threads() == int64_t(y.size());
            for (int64_t i = 0; i < layer.threads(); ++i) {
                const int64_t t = i / (vertices * channels), at = i % (vertices * channels);
                double want = double(number(audio[size_t(t * channels + at % channels)])) +
                              number(constants[size_t(available[size_t(t)] * vertices * channels + at)]);
                if (elu && want < 0) want = std::expm1(want);
                good = good && near(number(y[size_t(i)]), want, tolerance);
            }
            check(good, std::string("vertex layer, ") + type);
        }
    const std::vector<int64_t> outside{-1, 3};
    std::vector<T> audio(2), constants(3), y(2);
    const VertexLayer<T> layer{2, 1, 1, 3, false, audio.data(), constants.data(), outside.data(), y.data()};
    for (int64_t i = 0; i < 2; ++i) vertex_layer_thread(layer, i);
    check(std::isnan(number(y[0])) && std::isnan(number(y[1])), "an `available` out of range gives NaN");
}

template <class T> struct Case {
    Grid g;
    std::vector<T> x, partial, taps, bias, emotion, content, offsets, weight, rest;
    std::vector<int32_t> spiral;

    Case(Grid grid, float scale, unsigned seed) : g(grid) {
        std::mt19937 random(seed);
        const size_t frames = size_t(g.batch) * g.frames * g.vertices;
        x = random_values<T>(frames * g.channels_in, random, 1.0f);
        partial = random_values<T>(size_t(g.batch) * (g.delta - 1) * g.vertices, random, 1.0f);
        taps = random_values<T>(size_t(g.delta) * g.kernel * g.channels_in, random, scale);
        bias = random_values<T>(1, random, 1.0f);
        emotion = random_values<T>(3 * frames, random, 1.0f);
        content = random_values<T>(3 * frames, random, 1.0f);
        offsets.resize(3 * frames);
        weight.resize(frames);
        rest.resize(partial.size());
        for (int32_t i = 0; i < g.vertices * g.kernel; ++i) spiral.push_back(int32_t(random() % uint32_t(g.vertices)));
    }

    void run(bool with_weight = true) {
        const Arrays<T> arrays{x.data(), partial.data(), spiral.data(), taps.data(), bias.data(), nullptr, rest.data()};
        const Blend<T> blend{emotion.data(), content.data(), offsets.data(), with_weight ? weight.data() : nullptr};
        for (int64_t i = 0; i < g.threads(); ++i) spiral_blend_thread(g, arrays, blend, i);
    }

    double sum(int64_t b, int64_t f, int64_t v) const {
        double total = f < g.delta - 1 ? number(partial[size_t((b * (g.delta - 1) + f) * g.vertices + v)]) : 0.0;
        for (int64_t age = 0; age < g.delta; ++age) {
            if (f - age < 0 || f - age >= g.frames) continue;
            for (int64_t k = 0; k < g.kernel; ++k)
                for (int64_t c = 0; c < g.channels_in; ++c)
                    total += double(number(taps[size_t(((g.delta - 1 - age) * g.kernel + k) * g.channels_in + c)])) *
                             number(x[size_t(((b * g.frames + f - age) * g.vertices + spiral[size_t(v * g.kernel + k)]) * g.channels_in + c)]);
        }
        return total;
    }
};

template <class T> void test_blend(const char* type, double tolerance) {
    const Grid shapes[] = {{1, 1, 19, 18, 12, 1, 3}, {2, 5, 13, 5, 16, 1, 2}, {3, 2, 7, 1, 1, 1, 1}, {1, 2, 9, 3, 5, 1, 4}};
    unsigned seed = 0;
    for (const Grid& grid : shapes)
        for (float scale : {0.1f, 30.0f}) {  // small differences, and ones at which the exponential overflows
            Case<T> c(grid, scale, ++seed);
            c.run();
            bool good = true;
            for (int64_t b = 0; b < grid.batch; ++b)
                for (int64_t f = 0; f < grid.frames + grid.delta - 1; ++f)
                    for (int64_t v = 0; v < grid.vertices; ++v) {
                        const double sum = c.sum(b, f, v);
                        if (f >= grid.frames) {
                            good = good && near(number(c.rest[size_t((b * (grid.delta - 1) + f - grid.frames) * grid.vertices + v)]), sum, tolerance);
                            continue;
                        }
                        const size_t at = size_t((b * grid.frames + f) * grid.vertices + v);
                        const double w = 1.0 / (1.0 + std::exp(-(sum + double(number(c.bias[0])))));
                        good = good && near(number(c.weight[at]), w, 4 * tolerance);
                        for (size_t i = 3 * at; i < 3 * at + 3; ++i) {
                            const double base = number(c.content[i]);
                            good = good && near(number(c.offsets[i]), base + w * (double(number(c.emotion[i])) - base), 16 * tolerance);
                        }
                    }
            check(good, std::string("fused second layer and blend, ") + type);
            Case<T> without(grid, scale, seed);
            without.run(false);
            check(!std::memcmp(without.offsets.data(), c.offsets.data(), c.offsets.size() * sizeof(T)), "no weight wanted");
        }
    Case<T> wrong({1, 1, 4, 3, 2, 1, 2}, 0.1f, 9);
    wrong.spiral[4] = -1;  // of vertex 1
    wrong.run();
    check(std::isnan(number(wrong.offsets[3])) && !std::isnan(number(wrong.offsets[0])), "a vertex that does not exist gives NaN");
}

void test_cuts() {
    const Grid grid{1, 3, 11, 4, 6, 1, 3};
    Case<float> whole(grid, 0.2f, 5), part = whole;
    whole.run();
    part.g.frames = 1;
    bool same = true;
    for (int t = 0; t < 3; ++t) {
        part.x.assign(whole.x.begin() + t * 66, whole.x.begin() + (t + 1) * 66);
        part.emotion.assign(whole.emotion.begin() + t * 33, whole.emotion.begin() + (t + 1) * 33);
        part.content.assign(whole.content.begin() + t * 33, whole.content.begin() + (t + 1) * 33);
        part.run();
        part.partial = part.rest;
        same = same && !std::memcmp(part.offsets.data(), whole.offsets.data() + t * 33, 33 * sizeof(float));
    }
    check(same, "bits of cut frames");
}

}  // namespace

int main() {
    test_layer<float>("float", 3e-7);
    test_blend<float>("float", 1e-5);
    test_cuts();
#if defined(EMOFACE_HALF)
    test_layer<__half>("half", 1e-3);
    test_blend<__half>("half", 1e-3);
    std::printf("%s: float half\n", failures ? "FAILED" : "passed");
#else
    std::printf("%s: float\n", failures ? "FAILED" : "passed");
#endif
    return failures != 0;
}
