// The panel form: lanes run over columns, gathered values are broadcast. Part of spiral_conv3d_simd.inl.

constexpr int64_t tile_vertices = 64;         // whose sums stay in the first-level cache
constexpr int64_t weights_in_cache = 16384;   // bytes of weights used for a whole tile before the next are read
constexpr int64_t terms_in_a_row = 48;        // then a partial sum is put away: short sums lose fewer digits

template <int vectors> struct PanelSums {
    PanelLanes::Vector sum[panel_vertices * vectors];

    template <int... slots> EMOFACE_INLINE void clear(Indices<slots...>) { ((sum[slots] = PanelLanes::zero()), ...); }
    template <int... slots> EMOFACE_INLINE void add_stored(const float* from, Indices<slots...>) {
        ((sum[slots] = PanelLanes::add(sum[slots], PanelLanes::load(from + slots * panel_width))), ...);
    }
    template <int... slots> EMOFACE_INLINE void store(float* to, Indices<slots...>) const {
        (PanelLanes::store(to + slots * panel_width, sum[slots]), ...);
    }
    template <int... u> EMOFACE_INLINE void add(const float* w, const float* const* values, int64_t c, Indices<u...>) {
        PanelLanes::Vector taps[vectors];
        load_taps(taps, w, UpTo<vectors>{});
        (add_vertex<u>(PanelLanes::broadcast(values[u] + c), taps, UpTo<vectors>{}), ...);
    }
    template <int... i> EMOFACE_INLINE static void load_taps(PanelLanes::Vector* taps, const float* w, Indices<i...>) {
        ((taps[i] = PanelLanes::load(w + i * panel_width)), ...);
    }
    template <int u, int... i> EMOFACE_INLINE void add_vertex(PanelLanes::Vector value, const PanelLanes::Vector* taps, Indices<i...>) {
        ((sum[u * vectors + i] = PanelLanes::add_product(value, taps[i], sum[u * vectors + i])), ...);
    }
};

// Adds positions first_k ... last_k - 1 of one block of vertices to sums [panel_vertices][vectors * panel_width].
template <int vectors>
void panel_block(const SpiralConv3DSizes& s, const float* x, const int32_t* const* ring, const float* w,
                 int64_t first_k, int64_t last_k, float* sums) {
    constexpr UpTo<panel_vertices * vectors> slots;
    PanelSums<vectors> total;
    total.clear(slots);
    for (int64_t k = first_k; k < last_k; ++k) {
        const float* values[panel_vertices];
        for (int u = 0; u < panel_vertices; ++u) values[u] = x + ring[u][k] * s.channels_in;
        for (int64_t c = 0; c < s.channels_in; ++c, w += vectors * panel_width)
            total.add(w, values, c, UpTo<panel_vertices>{});
    }
    if (first_k > 0) total.add_stored(sums, slots);
    total.store(sums, slots);
}

// Adds one vertex's sums of columns first ... last - 1 to what they are owed to.
void panel_finish(const Problem& p, const FrameTargets& to, int64_t v, int64_t first, int64_t last, const float* sums) {
    const int64_t outputs = p.sizes.channels_out;
    for (int64_t j = first; j < last;) {  // columns age * Cout + o: one stretch per age
        const int64_t age = j / outputs, o = j % outputs;
        const int64_t length = last - j < outputs - o ? last - j : outputs - o;
        const float* source = to.source[age];
        float* target = to.target[age];
        for (int64_t i = 0; i < length; ++i, ++j) {
            const int64_t at = v * outputs + o + i;
            const float sum = source ? source[at] + sums[j - first] : sums[j - first];
            target[at] = age == 0 ? sum + p.bias[o + i] : sum;
        }
    }
}

template <int vectors>
void panel_group(const Problem& p, const float* x, const FrameTargets& to, int64_t first_vector,
                 const float* weights) {
    const SpiralConv3DSizes& s = p.sizes;
    const int64_t first = first_vector * panel_width;
    const int64_t columns = s.delta * s.channels_out;
    const int64_t last = columns - first < vectors * panel_width ? columns : first + vectors * panel_width;
    const int64_t position = s.channels_in * vectors * panel_width;  // weights of one spiral position
    const int64_t fitting = weights_in_cache / (position * int64_t(sizeof(float)));
    const int64_t short_enough = terms_in_a_row / s.channels_in;
    const int64_t most = fitting < short_enough ? fitting : short_enough;
    const int64_t stride = most > 0 ? most : 1;  // positions before a partial sum is put away
    float sums[tile_vertices * vectors * PanelLanes::width];
    for (int64_t tile = 0; tile < s.vertices; tile += tile_vertices) {
        const int64_t end = s.vertices - tile < tile_vertices ? s.vertices : tile + tile_vertices;
        for (int64_t k = 0; k < s.kernel; k += stride) {
            const int64_t last_k = s.kernel - k < stride ? s.kernel : k + stride;
            for (int64_t v = tile; v < end; v += panel_vertices) {
                const int32_t* ring[panel_vertices];  // a last, smaller block repeats the last vertex
                for (int u = 0; u < panel_vertices; ++u)
                    ring[u] = p.spiral + (v + u < end ? v + u : end - 1) * s.kernel;
                float* block = sums + (v - tile) * vectors * panel_width;
                panel_block<vectors>(s, x, ring, weights + k * position, k, last_k, block);
            }
        }
        for (int64_t v = tile; v < end; ++v) panel_finish(p, to, v, first, last, sums + (v - tile) * vectors * panel_width);
    }
}
