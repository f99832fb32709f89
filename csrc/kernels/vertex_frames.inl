// The loops of vertex_frames.h, included once per instruction set inside an anonymous namespace. They have no branches
// and call nothing, so that the compiler turns each into vectors of that instruction set.

#include "exponential.inl"

template <Activation activation>
void vertex_frame(int64_t vertices, int64_t channels, const float* audio, const float* constants, float* y) {
    // A run of vertices at a time against the frame's values, repeated over a stretch that vectors divide evenly.
    constexpr int64_t longest = 1024;
    float repeated[longest];
    const int64_t run = channels > longest ? 1 : longest / channels < vertices ? longest / channels : vertices;
    if (channels <= longest)
        for (int64_t i = 0; i < run * channels; ++i) repeated[i] = audio[i % channels];
    const float* frame = channels <= longest ? repeated : audio;
    const int64_t all = vertices * channels;
    for (int64_t first = 0; first < all; first += run * channels) {
        const int64_t count = all - first < run * channels ? all - first : run * channels;
        const float* c = constants + first;
        float* out = y + first;
        for (int64_t i = 0; i < count; ++i) {
            const float sum = frame[i] + c[i];
            if constexpr (activation == Activation::none) {
                out[i] = sum;
            } else {
                // A sum instead of a choice between the two halves: compilers would not turn that into vectors. NaN goes
                // into the upper half, so that it is not lost.
                const float above = 0.0f > sum ? 0.0f : sum, below = sum < 0.0f ? sum : 0.0f;
                out[i] = above + (exponential(below) - 1.0f);
            }
        }
    }
}

void blend(int64_t count, const float* difference, const float* emotion, const float* content, float* offsets,
           float* weight) {
    constexpr int64_t longest = 256;
    float w[longest];
    for (int64_t first = 0; first < count; first += longest) {
        const int64_t n = count - first < longest ? count - first : longest;
        for (int64_t i = 0; i < n; ++i) w[i] = 1.0f / (1.0f + exponential(-difference[first + i]));
        for (int64_t i = 0; i < n; ++i)
            for (int64_t a = 0; a < 3; ++a) {
                const int64_t at = (first + i) * 3 + a;
                offsets[at] = content[at] + w[i] * (emotion[at] - content[at]);
            }
        if (weight)
            for (int64_t i = 0; i < n; ++i) weight[first + i] = w[i];
    }
}
