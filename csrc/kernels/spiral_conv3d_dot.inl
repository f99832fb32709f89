// The dot form: lanes run over a ring's gathered values. Part of spiral_conv3d_simd.inl.

// The sums of a block of vertices for some columns.
template <int columns> struct DotSums {
    DotLanes::Vector sum[columns * dot_vertices];

    template <int... slots> EMOFACE_INLINE void clear(Indices<slots...>) { ((sum[slots] = DotLanes::zero()), ...); }

    template <class Values, int... u>
    EMOFACE_INLINE void add(const float* weights, const Values& values, Indices<u...>) {
        DotLanes::Vector w[columns];
        load(w, weights, UpTo<columns>{});
        (add_vertex<u>(values(u), w, UpTo<columns>{}), ...);
    }
    template <int... j> EMOFACE_INLINE static void load(DotLanes::Vector* w, const float* weights, Indices<j...>) {
        ((w[j] = DotLanes::load(weights + j * dot_width)), ...);
    }
    template <int... j> EMOFACE_INLINE void finish(float (*sums)[dot_vertices], Indices<j...>) const {
        (DotLanes::sum_lanes<dot_vertices>(sum + j * dot_vertices, sums[j]), ...);
    }
    template <int u, int... j> EMOFACE_INLINE void add_vertex(DotLanes::Vector value, const DotLanes::Vector* w, Indices<j...>) {
        ((sum[j * dot_vertices + u] = DotLanes::add_product(value, w[j], sum[j * dot_vertices + u])), ...);
    }
};

// sums[column][vertex] of one block; ring[u] are the spirals of its vertices.
template <int columns, Reading reading>
void dot_block(const SpiralConv3DSizes& s, const float* x, const int32_t* const* ring, const float* weights,
               float (*sums)[dot_vertices]) {
    DotSums<columns> total;
    total.clear(UpTo<columns * dot_vertices>{});
    constexpr UpTo<dot_vertices> vertices;
    const int64_t channels = s.channels_in;
    if constexpr (reading == Reading::twelve) {
        constexpr int together = DotLanes::twelve_positions, vectors = 3;
        int64_t k = 0;
        for (; k + together <= s.kernel; k += together, weights += vectors * columns * dot_width) {
            const auto position = [&](int u, int i) __attribute__((always_inline)) { return x + int64_t(ring[u][k + i]) * 12; };
            total.add(weights, [&](int u) __attribute__((always_inline)) { return DotLanes::twelve_first(position, u); }, vertices);
            total.add(weights + columns * dot_width, [&](int u) __attribute__((always_inline)) { return DotLanes::twelve_second(position, u); }, vertices);
            total.add(weights + 2 * columns * dot_width, [&](int u) __attribute__((always_inline)) { return DotLanes::twelve_third(position, u); }, vertices);
        }
        // Positions that are left, laid side by side: values [first, first + dot_width) of them.
        const int64_t rest = (s.kernel - k) * 12;
        for (int64_t first = 0; first < rest; first += dot_width, weights += columns * dot_width) {
            float side_by_side[dot_vertices][DotLanes::width] = {};
            for (int u = 0; u < dot_vertices; ++u)
                for (int64_t i = first; i < rest && i < first + dot_width; ++i)
                    side_by_side[u][i - first] = x[int64_t(ring[u][k + i / 12]) * 12 + i % 12];
            total.add(weights, [&](int u) __attribute__((always_inline)) { return DotLanes::load(side_by_side[u]); }, vertices);
        }
    } else {
        const int64_t whole = channels / dot_width * dot_width;
        for (int64_t k = 0; k < s.kernel; ++k) {
            for (int64_t c = 0; c < whole; c += dot_width, weights += columns * dot_width)
                total.add(weights, [&](int u) __attribute__((always_inline)) { return DotLanes::load(x + ring[u][k] * channels + c); }, vertices);
            if (reading == Reading::tail && whole < channels) {
                total.add(weights, [&](int u) __attribute__((always_inline)) {
                    return DotLanes::load_first(x + ring[u][k] * channels + whole, channels - whole);
                }, vertices);
                weights += columns * dot_width;
            }
        }
    }
    total.finish(sums, UpTo<columns>{});
}

template <int columns, Reading reading>
void dot_columns(const Problem& p, const float* x, const FrameTargets& to, int64_t first, const float* weights) {
    const SpiralConv3DSizes& s = p.sizes;
    for (int64_t v = 0; v < s.vertices; v += dot_vertices) {
        const int64_t count = s.vertices - v < dot_vertices ? s.vertices - v : dot_vertices;
        const int32_t* ring[dot_vertices];
        for (int u = 0; u < dot_vertices; ++u) ring[u] = p.spiral + (v + (u < count ? u : 0)) * s.kernel;
        float sums[columns][dot_vertices];
        dot_block<columns, reading>(s, x, ring, weights, sums);
        for (int j = 0; j < columns; ++j) {
            const int64_t age = (first + j) / s.channels_out, o = (first + j) % s.channels_out;
            const float* source = to.source[age];
            float* target = to.target[age];
            const float bias = p.bias[o];
            for (int u = 0; u < count; ++u) {
                const int64_t at = (v + u) * s.channels_out + o;
                const float sum = source ? source[at] + sums[j][u] : sums[j][u];
                target[at] = age == 0 ? sum + bias : sum;
            }
        }
    }
}

template <int columns>
void dot_group(const Problem& p, const float* x, const FrameTargets& to, int64_t first, const float* weights) {
    switch (reading_of(p.sizes)) {
        case Reading::whole: return dot_columns<columns, Reading::whole>(p, x, to, first, weights);
        case Reading::twelve: return dot_columns<columns, Reading::twelve>(p, x, to, first, weights);
        case Reading::tail: return dot_columns<columns, Reading::tail>(p, x, to, first, weights);
    }
}
