// Vectors of 8 floats, for AVX2 with FMA. Included inside an anonymous namespace.
struct Lanes256 {
    using Vector = __m256;
    static constexpr int width = 8;
    static constexpr int twelve_positions = 2;  // positions of 12 channels that share three vectors

    EMOFACE_INLINE static Vector zero() { return _mm256_setzero_ps(); }
    EMOFACE_INLINE static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    EMOFACE_INLINE static void store(float* p, Vector a) { _mm256_storeu_ps(p, a); }
    EMOFACE_INLINE static Vector broadcast(const float* p) { return _mm256_broadcast_ss(p); }
    EMOFACE_INLINE static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    EMOFACE_INLINE static Vector add_product(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
    // The first `count` (0 ... 8) values, then zeros; nothing beyond them is read.
    EMOFACE_INLINE static Vector load_first(const float* p, int64_t count) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(int(count)), lane));
    }
    // Two positions of 12 channels as three full vectors; position(u, i) is where vertex u's i-th one starts.
    template <class Position> EMOFACE_INLINE static Vector twelve_first(const Position& position, int u) {
        return _mm256_loadu_ps(position(u, 0));
    }
    template <class Position> EMOFACE_INLINE static Vector twelve_second(const Position& position, int u) {
        const __m128 head = _mm_loadu_ps(position(u, 0) + 8), tail = _mm_loadu_ps(position(u, 1));
        return _mm256_insertf128_ps(_mm256_castps128_ps256(head), tail, 1);
    }
    template <class Position> EMOFACE_INLINE static Vector twelve_third(const Position& position, int u) {
        return _mm256_loadu_ps(position(u, 1) + 4);
    }
    // sums[i] = sum over the lanes of a[i], four vectors at a time.
    template <int count> EMOFACE_INLINE static void sum_lanes(const Vector* a, float* sums) {
        sum_four(a, sums);
        if constexpr (count > 4) sum_lanes<count - 4>(a + 4, sums + 4);
    }
    EMOFACE_INLINE static void sum_four(const Vector* a, float* sums) {
        const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
        _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
    }
};
