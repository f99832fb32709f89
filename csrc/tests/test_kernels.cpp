// Tests of csrc/kernels: against sums in double precision, bit-equality under cuts, and every kind of bad input.
// Prints one line per failure; exit code 1 if there is one. Run by tests/native/test_cpp.py, also with sanitizers.
#include "checks.h"
#include "spiral_conv3d_device.h"
#include "vertex_frames.h"

using namespace emoface;

namespace {

// Exactly as many elements as the sizes say, so that AddressSanitizer sees any access beyond them.
struct Case {
    SpiralConv3DSizes s;
    int64_t batch, frames;
    std::vector<float> x, partial, weight, bias, y, rest;
    std::vector<int32_t> spiral;

    Case(int64_t batch_, int64_t frames_, SpiralConv3DSizes sizes, unsigned seed) : s(sizes), batch(batch_), frames(frames_) {
        std::mt19937 random(seed);
        const int64_t row = s.vertices * s.channels_out;
        x = normal(batch * frames * s.vertices * s.channels_in, random);
        partial = normal(batch * (s.delta - 1) * row, random);
        weight = normal(s.channels_out * s.delta * s.kernel * s.channels_in, random);
        bias = normal(s.channels_out, random);
        y.resize(size_t(batch * frames * row));
        rest.resize(partial.size());
        for (int64_t i = 0; i < s.vertices * s.kernel; ++i) spiral.push_back(int32_t(random() % uint64_t(s.vertices)));
        spiral.front() = 0;  // both ends of x are read
        spiral.back() = int32_t(s.vertices - 1);
    }

    // Every thread of the CUDA kernel's grid, those beyond the last sum included, in an order no GPU would take.
    void run_device_body() {
        const device::Grid grid{int32_t(batch),         int32_t(frames),         int32_t(s.vertices), int32_t(s.kernel),
                                int32_t(s.channels_in), int32_t(s.channels_out), int32_t(s.delta)};
        const device::Arrays<float> arrays{x.data(),    partial.data(), spiral.data(), weight.data(),
                                           bias.data(), y.data(),       rest.data()};
        const int64_t block = 128, blocks = (grid.threads() + block - 1) / block;
        for (int64_t index = blocks * block - 1; index >= 0; --index)
            if (index < grid.threads()) device::spiral_conv3d_thread(grid, arrays, index);
    }

    Status run(Isa isa) {
        return spiral_conv3d(s, batch, frames, x.data(), partial.data(), spiral.data(), weight.data(), bias.data(),
                             y.data(), rest.data(), isa);
    }

    // What frame f of batch entry b (f >= frames: owed) should be, in double precision, and the sum of magnitudes.
    double wanted(int64_t b, int64_t f, int64_t v, int64_t o, double* magnitude) const {
        const int64_t row = s.vertices * s.channels_out;
        double sum = f < frames ? bias[size_t(o)] : 0.0;
        if (f < s.delta - 1) sum += partial[size_t((b * (s.delta - 1) + f) * row + v * s.channels_out + o)];
        *magnitude = std::fabs(sum);
        for (int64_t age = 0; age < s.delta; ++age) {
            const int64_t t = f - age;
            if (t < 0 || t >= frames) continue;
            for (int64_t k = 0; k < s.kernel; ++k)
                for (int64_t c = 0; c < s.channels_in; ++c) {
                    const int64_t tap = ((o * s.delta + s.delta - 1 - age) * s.kernel + k) * s.channels_in + c;
                    const int64_t vertex = spiral[size_t(v * s.kernel + k)];
                    const double term = double(weight[size_t(tap)]) *
                                        x[size_t(((b * frames + t) * s.vertices + vertex) * s.channels_in + c)];
                    sum += term;
                    *magnitude += std::fabs(term);
                }
        }
        return sum;
    }

    bool agrees() const {
        for (int64_t b = 0; b < batch; ++b)
            for (int64_t f = 0; f < frames + s.delta - 1; ++f)
                for (int64_t v = 0; v < s.vertices; ++v)
                    for (int64_t o = 0; o < s.channels_out; ++o) {
                        double magnitude;
                        const double want = wanted(b, f, v, o, &magnitude);
                        const int64_t owed = s.delta - 1;
                        const float got = f < frames ? y[size_t(((b * frames + f) * s.vertices + v) * s.channels_out + o)]
                                                     : rest[size_t(((b * owed + f - frames) * s.vertices + v) * s.channels_out + o)];
                        if (!(std::fabs(got - want) <= 1e-6 * magnitude + 1e-7)) return false;
                    }
        return true;
    }
};

const SpiralConv3DSizes shapes[] = {
    {1, 1, 1, 1, 1},   {7, 3, 1, 1, 3},   {23, 5, 12, 1, 3},  {19, 18, 12, 1, 3}, {16, 4, 12, 2, 2}, {33, 7, 12, 1, 1},
    {17, 9, 16, 1, 3}, {10, 18, 16, 2, 3}, {9, 6, 8, 3, 1},   {13, 5, 5, 1, 2},   {11, 3, 17, 4, 2}, {71, 4, 16, 16, 3},
    {65, 3, 48, 20, 3}, {12, 2, 3, 33, 2}, {5, 18, 4, 4, 3},  {8, 2, 40, 1, 4},   {3, 2, 2, 70, 1},
};

void test_agreement() {
    unsigned seed = 1;
    for (const SpiralConv3DSizes& sizes : shapes)
        for (Isa isa : available())
            for (int64_t frames : {1, 2, 5}) {
                Case one(frames == 2 ? 3 : 1, frames, sizes, ++seed);
                expect(one.run(isa), Status::ok, isa_name(isa));
                char name[120];
                std::snprintf(name, sizeof name, "V %d K %d Cin %d Cout %d delta %d n %d", int(sizes.vertices),
                              int(sizes.kernel), int(sizes.channels_in), int(sizes.channels_out), int(sizes.delta), int(frames));
                check(one.agrees(), name, isa_name(isa));
            }
}

// A stream cut into single frames, with its sums updated in place, has the very bits of one call.
void test_cuts_and_in_place() {
    for (const SpiralConv3DSizes& sizes : shapes)
        for (Isa isa : available()) {
            Case whole(1, 5, sizes, 99);
            expect(whole.run(isa), Status::ok, "whole");
            std::unique_ptr<SpiralConv3D> operation;
            expect(SpiralConv3D::make(sizes, whole.spiral.data(), whole.weight.data(), whole.bias.data(), isa, &operation),
                   Status::ok, "make");
            std::vector<float> sums = whole.partial, y(whole.y.size());
            const int64_t row = sizes.vertices * sizes.channels_out;
            const int64_t cuts[] = {1, 2, 1, 1};
            int64_t t = 0;
            for (int64_t n : cuts) {
                const float* x = whole.x.data() + t * sizes.vertices * sizes.channels_in;
                expect(operation->run(1, n, x, sums.data(), y.data() + t * row, sums.data()), Status::ok, "part");
                t += n;
            }
            check(same_bits(y, whole.y), "bits of cut frames", isa_name(isa));
            check(same_bits(sums, whole.rest), "bits of owed sums", isa_name(isa));
        }
}

void test_device_body() {
    unsigned seed = 500;
    for (const SpiralConv3DSizes& sizes : shapes)
        for (int64_t frames : {1, 2, 5}) {
            Case one(frames == 2 ? 3 : 1, frames, sizes, ++seed);
            one.run_device_body();
            check(one.agrees(), "body of the CUDA kernel against double precision", "host");
        }
    Case wrong(1, 1, {4, 3, 2, 1, 2}, 1);
    wrong.spiral[4] = 4;  // of vertex 1
    wrong.run_device_body();
    check(std::isnan(wrong.y[1]) && !std::isnan(wrong.y[0]), "a vertex that does not exist gives NaN", "host");
    const SpiralConv3DSizes sizes{19, 18, 12, 1, 3};
    Case whole(1, 3, sizes, 7), part = whole;
    whole.run_device_body();
    std::vector<float> y;
    part.frames = 1;
    for (int64_t t = 0; t < 3; ++t) {
        const float* x = whole.x.data() + t * 19 * 12;
        part.x.assign(x, x + 19 * 12);
        part.run_device_body();
        part.partial = part.rest;
        y.insert(y.end(), part.y.begin(), part.y.begin() + 19);
    }
    check(same_bits(y, whole.y), "bits of cut frames", "device body");
}

void test_bad_input() {
    const SpiralConv3DSizes good{9, 4, 12, 1, 3};
    Case c(1, 2, good, 5);
    auto with = [&](auto change) {
        Case other = c;
        change(other);
        return other.run(Isa::automatic);
    };
    const int64_t huge = std::numeric_limits<int64_t>::max() / 2;
    expect(with([](Case& o) { o.spiral[3] = 9; }), Status::index_out_of_range, "index V");
    expect(with([](Case& o) { o.spiral[3] = -1; }), Status::index_out_of_range, "index -1");
    expect(with([](Case& o) { o.spiral[3] = std::numeric_limits<int32_t>::min(); }), Status::index_out_of_range, "index min");
    expect(with([](Case& o) { o.batch = 0; }), Status::bad_size, "batch 0");
    expect(with([](Case& o) { o.frames = 0; }), Status::bad_size, "frames 0");
    expect(with([](Case& o) { o.frames = -3; }), Status::bad_size, "frames -3");
    expect(with([&](Case& o) { o.frames = huge; }), Status::bad_size, "frames huge");
    expect(with([](Case& o) { o.s.vertices = 0; }), Status::bad_size, "vertices 0");
    expect(with([](Case& o) { o.s.kernel = 0; }), Status::bad_size, "kernel 0");
    expect(with([](Case& o) { o.s.channels_in = 0; }), Status::bad_size, "channels in 0");
    expect(with([](Case& o) { o.s.channels_out = -1; }), Status::bad_size, "channels out -1");
    expect(with([](Case& o) { o.s.delta = 0; }), Status::bad_size, "delta 0");
    expect(with([](Case& o) { o.s.delta = 65; }), Status::bad_size, "delta 65");
    expect(with([&](Case& o) { o.s.channels_in = huge; }), Status::bad_size, "channels in huge");
    expect(with([&](Case& o) { o.s.vertices = huge; }), Status::bad_size, "vertices huge");
    expect(check_spiral(nullptr, 4, 4), Status::null_pointer, "null spiral");
    expect(check_spiral(c.spiral.data(), 0, 4), Status::bad_size, "empty spiral");

    const float* x = c.x.data();
    auto run = [&](const float* x_, const float* partial, const int32_t* spiral, const float* weight, const float* bias,
                   float* y, float* rest) {
        return spiral_conv3d(good, 1, 2, x_, partial, spiral, weight, bias, y, rest, Isa::automatic);
    };
    const float *p = c.partial.data(), *w = c.weight.data(), *b = c.bias.data();
    float *y = c.y.data(), *r = c.rest.data();
    const int32_t* s = c.spiral.data();
    expect(run(nullptr, p, s, w, b, y, r), Status::null_pointer, "null x");
    expect(run(x, nullptr, s, w, b, y, r), Status::null_pointer, "null partial");
    expect(run(x, p, nullptr, w, b, y, r), Status::null_pointer, "null spiral");
    expect(run(x, p, s, nullptr, b, y, r), Status::null_pointer, "null weight");
    expect(run(x, p, s, w, nullptr, y, r), Status::null_pointer, "null bias");
    expect(run(x, p, s, w, b, nullptr, r), Status::null_pointer, "null y");
    expect(run(x, p, s, w, b, y, nullptr), Status::null_pointer, "null new_partial");
    const auto* odd = reinterpret_cast<const float*>(reinterpret_cast<const char*>(x) + 1);
    expect(run(odd, p, s, w, b, y, r), Status::misaligned, "misaligned x");
    expect(run(x, p, s, odd, b, y, r), Status::misaligned, "misaligned weight");
    expect(SpiralConv3D::make(good, s, w, b, Isa(17), nullptr), Status::null_pointer, "null result");
    std::unique_ptr<SpiralConv3D> made;
    expect(SpiralConv3D::make(good, s, w, b, Isa(17), &made), Status::isa_unavailable, "unknown instruction set");
    check(!made, "nothing made after a failure", "make");
}

void test_vertex_frames() {
    std::mt19937 random(3);
    for (int64_t channels : {1, 4, 12, 64, 1023, 1500})
        for (Isa isa : available()) {
            const int64_t frames = 3, vertices = 37, delta = 2;
            const auto audio = normal(frames * channels, random, 4.0f);
            const auto constants = normal(delta * vertices * channels, random, 4.0f);
            const int64_t has[] = {0, 1, 1};
            for (Activation activation : {Activation::none, Activation::elu}) {
                std::vector<float> y(size_t(frames * vertices * channels));
                expect(vertex_layer(frames, vertices, channels, delta, audio.data(), constants.data(), has, activation,
                                    y.data(), isa), Status::ok, "vertex_layer");
                double worst = 0.0;
                for (int64_t i = 0; i < int64_t(y.size()); ++i) {
                    const int64_t t = i / (vertices * channels), at = i % (vertices * channels);
                    double want = audio[size_t(t * channels + at % channels)] + constants[size_t(has[t] * vertices * channels + at)];
                    if (activation == Activation::elu && want < 0) want = std::expm1(want);
                    worst = std::fmax(worst, std::fabs(y[size_t(i)] - want) / std::fmax(1.0, std::fabs(want)));
                }
                check(worst <= 2.4e-7, "vertex_layer against double precision", isa_name(isa));
            }
        }
    const float lost = std::numeric_limits<float>::quiet_NaN();
    for (Isa isa : available())
        for (Activation activation : {Activation::none, Activation::elu}) {
            const std::vector<float> audio(37, lost), constants(37);
            std::vector<float> y(37);
            const int64_t has[] = {0};
            vertex_layer(1, 1, 37, 1, audio.data(), constants.data(), has, activation, y.data(), isa);
            bool all = true;
            for (float value : y) all = all && std::isnan(value);
            check(all, "vertex_layer keeps NaN", isa_name(isa));
        }
    const float some[4] = {};
    float out[4];
    const int64_t outside[] = {2};
    const int64_t inside[] = {0};
    expect(vertex_layer(1, 2, 1, 2, some, some, outside, Activation::none, out, Isa::automatic), Status::index_out_of_range,
           "available = delta");
    expect(vertex_layer(1, 0, 1, 2, some, some, inside, Activation::none, out, Isa::automatic), Status::bad_size, "V 0");
    expect(vertex_layer(1, 2, 1, 2, nullptr, some, inside, Activation::none, out, Isa::automatic), Status::null_pointer,
           "null audio");
}

void test_blend() {
    const float extremes[] = {-1e30f, -200.0f, -1.0f, -0.0f, 0.3f, 5.0f, 200.0f, 1e30f};
    for (int64_t count : {1, 8, 300})
        for (Isa isa : available()) {
            std::vector<float> d(static_cast<size_t>(count)), e(size_t(3 * count)), c(size_t(3 * count)), o(e.size()), w(d.size());
            for (int64_t i = 0; i < count; ++i) {
                d[size_t(i)] = extremes[i % 8];
                for (int64_t a = 0; a < 3; ++a) e[size_t(3 * i + a)] = float(i + a), c[size_t(3 * i + a)] = float(a - i);
            }
            expect(blend_branches(count, d.data(), e.data(), c.data(), o.data(), w.data(), isa), Status::ok, "blend");
            bool good = true;
            for (int64_t i = 0; i < count; ++i) {
                const double weight = 1.0 / (1.0 + std::exp(-double(d[size_t(i)])));
                good = good && std::fabs(w[size_t(i)] - weight) <= 1e-6;
                for (int64_t a = 0; a < 3; ++a) {
                    const double want = c[size_t(3 * i + a)] + weight * (double(e[size_t(3 * i + a)]) - c[size_t(3 * i + a)]);
                    good = good && std::fabs(o[size_t(3 * i + a)] - want) <= 1e-6 * (1.0 + 2.0 * double(i));
                }
            }
            check(good, "blend against double precision", isa_name(isa));
            expect(blend_branches(count, d.data(), e.data(), c.data(), o.data(), nullptr, isa), Status::ok, "no weight wanted");
            expect(blend_branches(0, d.data(), e.data(), c.data(), o.data(), nullptr, isa), Status::bad_size, "count 0");
        }
}

}  // namespace

int main() {
    test_agreement();
    test_cuts_and_in_place();
    test_device_body();
    test_bad_input();
    test_vertex_frames();
    test_blend();
    return report();
}
