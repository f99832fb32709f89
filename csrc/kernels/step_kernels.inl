// The loops of step_kernels.h, included once per instruction set inside an anonymous namespace that defines `Wide`:
// vectors of `Wide::width` floats (8 or 16) with zero, load, store, broadcast, add, multiply_add and load_half.

#include "exponential.inl"

constexpr int lane = Wide::width;

// sum of a[i] b[i] in 16 interleaved sums, then pairwise: the same order of additions for every width of vector.
EMOFACE_INLINE static float dot(const float* a, const float* b, int64_t count) {
    float sums[16] = {};
    int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (int l = 0; l < 16; ++l) sums[l] += a[i + l] * b[i + l];
    for (int l = 0; i < count; ++i, ++l) sums[l] += a[i] * b[i];
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
    return sums[0];
}

EMOFACE_INLINE static void add_scaled(float scale, const float* values, float* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] += scale * values[i];
}

void attention(const HeadAttention& h) {
    const int64_t all = h.cache + h.rows;
    const float nothing = h.table[h.cache + 1];
    for (int64_t a = 0; a < h.rows; ++a) {
        const float* query = h.query + a * h.query_stride;
        float* y = h.y + a * h.y_stride;
        float largest = 0.0f;
        for (int64_t j = 0; j < all; ++j) {
            const float* key = j < h.cache ? h.keys + j * h.width : h.new_key + (j - h.cache) * h.row_stride;
            const int64_t distance = j - a;
            const bool exists = h.first + j - h.cache >= 0 && distance >= 0 && distance <= h.cache;
            h.scores[j] = dot(query, key, h.width) + (exists ? h.table[distance] : nothing);
            largest = j == 0 || h.scores[j] > largest ? h.scores[j] : largest;
        }
        for (int64_t j = 0; j < all; ++j) h.scores[j] = exponential(h.scores[j] - largest);
        double total = 0.0;
        for (int64_t j = 0; j < all; ++j) total += double(h.scores[j]);
        for (int64_t c = 0; c < h.width; ++c) y[c] = 0.0f;
        for (int64_t j = 0; j < all; ++j) {
            const float* value = j < h.cache ? h.values + j * h.width : h.new_value + (j - h.cache) * h.row_stride;
            if (h.scores[j] > 1e-30f) add_scaled(h.scores[j], value, y, h.width);
        }
        const float scale = float(1.0 / total);
        for (int64_t c = 0; c < h.width; ++c) y[c] *= scale;
    }
}

template <class Value> EMOFACE_INLINE static Wide::Vector load_basis(const Value* from) {
    if constexpr (sizeof(Value) == 2) return Wide::load_half(from);
    else return Wide::load(from);
}

template <class Value> void motion(const MotionProblem& p) {
    constexpr int vectors = int(motion_lane) / lane;
    const auto* basis = static_cast<const Value*>(p.basis);
    for (int64_t i = 0; i < p.rank * lane; ++i) p.sums[i] = 0.0f;
    for (int64_t first = 0; first < p.coordinates; first += motion_lane, basis += p.rank * motion_lane) {
        Wide::Vector content[vectors], difference[vectors];
        for (int i = 0; i < vectors; ++i) content[i] = difference[i] = Wide::zero();
        for (int64_t r = 0; r < p.rank; ++r) {
            const Wide::Vector c = Wide::broadcast(p.content[r]), d = Wide::broadcast(p.emotion[r] - p.content[r]);
            for (int i = 0; i < vectors; ++i) {
                const Wide::Vector b = load_basis(basis + r * motion_lane + i * lane);
                content[i] = Wide::multiply_add(b, c, content[i]);
                difference[i] = Wide::multiply_add(b, d, difference[i]);
            }
        }
        const int64_t count = p.coordinates - first < motion_lane ? p.coordinates - first : motion_lane;
        float weight[motion_lane] = {}, out[motion_lane];
        for (int64_t v = 0; v < count / 3; ++v) {
            const float w = p.weight[first / 3 + v];
            weight[3 * v] = weight[3 * v + 1] = weight[3 * v + 2] = w;
        }
        for (int i = 0; i < vectors; ++i) {
            content[i] = Wide::multiply_add(Wide::load(weight + i * lane), difference[i], content[i]);
            Wide::store(out + i * lane, content[i]);
        }
        for (int64_t i = 0; i < count; ++i) p.offsets[first + i] = out[i];
        // Beyond the last coordinate the basis is padded with zeros: nothing is added for it.
        for (int64_t r = 0; r < p.rank; ++r) {
            Wide::Vector sum = Wide::load(p.sums + r * lane);
            for (int i = 0; i < vectors; ++i)
                sum = Wide::multiply_add(load_basis(basis + r * motion_lane + i * lane), content[i], sum);
            Wide::store(p.sums + r * lane, sum);
        }
    }
    for (int64_t r = 0; r < p.rank; ++r) {
        float* sums = p.sums + r * lane;
        for (int half = lane / 2; half > 0; half /= 2)
            for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
        p.products[r] = sums[0];
    }
}

// `count` steps of one group at once share every load of the weights.
template <int count>
EMOFACE_INLINE static void conv_steps(const ConvProblem& p, const float* weight, const float* bias, int64_t outputs,
                                      const float* x, float* y) {
    const int64_t inputs = p.sizes.channels / p.sizes.groups;
    for (int64_t o = 0; o < outputs; o += lane) {
        Wide::Vector even[count], odd[count];  // two sums each: additions wait for one another
        for (int t = 0; t < count; ++t) even[t] = odd[t] = Wide::zero();
        for (int64_t k = 0; k < p.sizes.kernel; ++k) {
            const float* from = x + k * p.sizes.channels;
            const float* taps = weight + k * inputs * p.padded + o;
            int64_t c = 0;
            for (; c + 2 <= inputs; c += 2, taps += 2 * p.padded) {
                const Wide::Vector first = Wide::load(taps), second = Wide::load(taps + p.padded);
                for (int t = 0; t < count; ++t) {
                    even[t] = Wide::multiply_add(Wide::broadcast(from[t * p.sizes.channels + c]), first, even[t]);
                    odd[t] = Wide::multiply_add(Wide::broadcast(from[t * p.sizes.channels + c + 1]), second, odd[t]);
                }
            }
            if (c < inputs)
                for (int t = 0; t < count; ++t)
                    even[t] = Wide::multiply_add(Wide::broadcast(from[t * p.sizes.channels + c]), Wide::load(taps), even[t]);
        }
        const int64_t kept = outputs - o < lane ? outputs - o : lane;
        for (int t = 0; t < count; ++t) {
            float sums[Wide::width];
            Wide::store(sums, Wide::add(even[t], odd[t]));
            for (int64_t i = 0; i < kept; ++i) y[t * p.sizes.channels + o + i] = sums[i] + bias[o + i];
        }
    }
}

void conv(const ConvProblem& p, int64_t steps, const float* x, float* y) {
    const int64_t outputs = p.sizes.channels / p.sizes.groups;
    for (int64_t g = 0; g < p.sizes.groups; ++g) {
        const float* weight = p.weight + g * p.sizes.kernel * outputs * p.padded;
        const float* bias = p.bias + g * outputs;
        const float* in = x + g * outputs;
        float* out = y + g * outputs;
        int64_t t = 0;
        for (; t + 4 <= steps; t += 4)
            conv_steps<4>(p, weight, bias, outputs, in + t * p.sizes.channels, out + t * p.sizes.channels);
        for (; t < steps; ++t)
            conv_steps<1>(p, weight, bias, outputs, in + t * p.sizes.channels, out + t * p.sizes.channels);
    }
}

constexpr StepVariant variant{attention, motion<float>, motion<uint16_t>, conv};
