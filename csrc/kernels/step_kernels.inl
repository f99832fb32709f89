// The loops of step_kernels.h, included once per instruction set inside an anonymous namespace that defines `Wide`:
// vectors of `Wide::width` floats (8 or 16) with zero, load, store, broadcast, add, multiply_add, sum and load_half.

#include "exponential.inl"

constexpr int lane = Wide::width;

// The first `count` values, then zeros; nothing beyond them is read.
EMOFACE_INLINE static Wide::Vector first_of(const float* values, int64_t count) {
    float padded[Wide::width] = {};
    for (int64_t i = 0; i < count; ++i) padded[i] = values[i];
    return Wide::load(padded);
}

// Attention of rows a ... a + count - 1, which share every load of a key and a value.
template <int count> void attention_rows(const HeadAttention& h, int64_t a) {
    const int64_t all = h.cache + h.rows, whole = h.width / lane * lane;
    const float* query = h.query + a * h.query_stride;
    const float nothing = h.table[h.cache + 1];
    float largest[count];
    for (int64_t j = 0; j < all; ++j) {
        const float* key = j < h.cache ? h.keys + j * h.width : h.new_key + (j - h.cache) * h.row_stride;
        Wide::Vector sums[count];
        for (int q = 0; q < count; ++q) sums[q] = Wide::zero();
        for (int64_t c = 0; c < whole; c += lane) {
            const Wide::Vector values = Wide::load(key + c);
            for (int q = 0; q < count; ++q)
                sums[q] = Wide::multiply_add(Wide::load(query + q * h.query_stride + c), values, sums[q]);
        }
        const bool exists = h.first + j - h.cache >= 0;
        for (int q = 0; q < count; ++q) {
            float score = Wide::sum(sums[q]);
            for (int64_t c = whole; c < h.width; ++c) score += query[q * h.query_stride + c] * key[c];
            const int64_t distance = j - a - q;
            score += exists && distance >= 0 && distance <= h.cache ? h.table[distance] : nothing;
            h.scores[q * all + j] = score;
            largest[q] = j == 0 || score > largest[q] ? score : largest[q];
        }
    }
    double total[count];
    for (int q = 0; q < count; ++q) {
        float* scores = h.scores + q * all;
        for (int64_t j = 0; j < all; ++j) scores[j] = exponential(scores[j] - largest[q]);
        total[q] = 0.0;
        for (int64_t j = 0; j < all; ++j) total[q] += double(scores[j]);
    }
    for (int64_t c = 0; c < h.width; c += lane) {
        const int64_t kept = h.width - c < lane ? h.width - c : lane;
        Wide::Vector sums[count];
        for (int q = 0; q < count; ++q) sums[q] = Wide::zero();
        for (int64_t j = 0; j < all; ++j) {
            const float* value = j < h.cache ? h.values + j * h.width : h.new_value + (j - h.cache) * h.row_stride;
            const Wide::Vector values = kept == lane ? Wide::load(value + c) : first_of(value + c, kept);
            for (int q = 0; q < count; ++q)
                sums[q] = Wide::multiply_add(Wide::broadcast(h.scores[q * all + j]), values, sums[q]);
        }
        for (int q = 0; q < count; ++q) {
            float out[Wide::width];
            Wide::store(out, sums[q]);
            const float scale = float(1.0 / total[q]);
            for (int64_t i = 0; i < kept; ++i) h.y[(a + q) * h.y_stride + c + i] = out[i] * scale;
        }
    }
}

void attention(const HeadAttention& h) {
    int64_t a = 0;
    for (; a + 2 <= h.rows; a += 2) attention_rows<2>(h, a);
    if (a < h.rows) attention_rows<1>(h, a);
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
