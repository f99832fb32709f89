// The loops of vertex_frames.h, included once per instruction set inside an anonymous namespace. They have no branches
// and call nothing, so that the compiler turns each into vectors of that instruction set.

// exp for x <= 88.7 (larger: the value there); below -87.3 it is the smallest normal number, in effect 0.
EMOFACE_INLINE static float exponential(float x) {
    x = x > 88.7f ? 88.7f : x;
    x = x < -87.3f ? -87.3f : x;
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that r is exact. Adding 1.5 * 2^23 rounds to integer.
    const float shifted = x * 1.44269504f + 12582912.0f;
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;  // minimax polynomial of (exp(r) - 1 - r) / r^2 (Cephes expf)
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union { int32_t bits; float value; } power;
    power.bits = (int32_t(n) + 127) * (1 << 23);
    return p * power.value;
}

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
                // A sum instead of a choice between the two halves: compilers would not turn that into vectors.
                const float above = sum > 0.0f ? sum : 0.0f, below = sum < 0.0f ? sum : 0.0f;
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
