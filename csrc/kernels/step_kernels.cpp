// Checks, packing, dispatch and the scalar variant of step_kernels.h.
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "step_kernels_variants.h"

namespace emoface {
namespace detail {
namespace {

float from_half_bits(uint16_t half) noexcept {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    const float size = exponent ? std::ldexp(float(mantissa | 1024), exponent - 25) : std::ldexp(float(mantissa), -24);
    return half & 0x8000 ? -size : size;
}

struct Wide {
    struct Vector {
        float v[8];
    };
    static constexpr int width = 8;
    static Vector zero() { return {}; }
    static Vector broadcast(float a) { return {{a, a, a, a, a, a, a, a}}; }
    static Vector load(const float* p) {
        Vector r;
        std::memcpy(r.v, p, sizeof r.v);
        return r;
    }
    static void store(float* p, Vector a) { std::memcpy(p, a.v, sizeof a.v); }
    static Vector add(Vector a, Vector b) {
        for (int i = 0; i < width; ++i) a.v[i] += b.v[i];
        return a;
    }
    static Vector multiply_add(Vector a, Vector b, Vector sum) {
        for (int i = 0; i < width; ++i) sum.v[i] += a.v[i] * b.v[i];
        return sum;
    }
    static float sum(Vector a) {
        return ((a.v[0] + a.v[4]) + (a.v[2] + a.v[6])) + ((a.v[1] + a.v[5]) + (a.v[3] + a.v[7]));
    }
    static Vector load_half(const uint16_t* p) {
        Vector r;
        for (int i = 0; i < width; ++i) r.v[i] = from_half_bits(p[i]);
        return r;
    }
};

#include "step_kernels.inl"

}  // namespace

const StepVariant scalar_steps = variant;

}  // namespace detail

namespace {

const detail::StepVariant* variant_of(Isa isa) noexcept {
    if (!isa_available(isa)) return nullptr;
    if (isa == Isa::automatic) isa = best_isa();
#ifdef EMOFACE_X86_VARIANTS
    if (isa == Isa::avx2) return &detail::avx2_steps;
    if (isa == Isa::avx512) return &detail::avx512_steps;
#endif
    return &detail::scalar_steps;
}

bool misaligned(const void* pointer, size_t size = 4) noexcept { return reinterpret_cast<uintptr_t>(pointer) % size != 0; }

// Are all factors positive and does their product leave room to count bytes?
template <class... Factors> bool sizes_fit(Factors... factors) noexcept {
    int64_t total = 1;
    bool good = true;
    for (int64_t factor : {int64_t(factors)...}) {
        good = good && factor > 0 && total <= std::numeric_limits<int64_t>::max() / 64 / factor;
        total = good ? total * factor : 1;
    }
    return good;
}

// `count` zeroed floats that start at a cache line, or null.
float* aligned_floats(int64_t count, std::unique_ptr<float[]>* storage) noexcept {
    storage->reset(new (std::nothrow) float[size_t(count) + 16]());
    float* start = storage->get();
    while (start && reinterpret_cast<uintptr_t>(start) % 64 != 0) ++start;
    return start;
}

// The bits of a value that half precision holds exactly; false if it does not.
bool exact_half(float value, uint16_t* bits) noexcept {
    const float size = std::fabs(value);
    uint32_t mantissa = 0;
    if (size >= 65536.0f || !(size == size)) return false;
    if (size != 0.0f) {
        int exponent = 0;
        std::frexp(size, &exponent);  // size = m 2^exponent with m in [0.5, 1)
        const int unit = exponent - 11 > -24 ? exponent - 11 : -24;  // its last place
        const float units = std::ldexp(size, -unit);
        if (units != std::floor(units)) return false;
        mantissa = uint32_t(units);
        if (mantissa >= 1024) mantissa = mantissa - 1024 + (uint32_t(unit + 25) << 10);
    }
    *bits = uint16_t(mantissa | (std::signbit(value) ? 0x8000u : 0u));
    return true;
}

}  // namespace

Status stream_attention(const AttentionSizes& s, const float* query, const float* projected, const float* keys,
                        const float* values, const int64_t* first, const float* table, float* y, float* new_keys,
                        float* new_values, Isa isa) noexcept {
    if (!query || !projected || !keys || !values || !first || !table || !y || !new_keys || !new_values)
        return Status::null_pointer;
    for (const float* pointer : {query, projected, keys, values, table, static_cast<const float*>(y),
                                 static_cast<const float*>(new_keys), static_cast<const float*>(new_values)})
        if (misaligned(pointer)) return Status::misaligned;
    if (misaligned(first, 8)) return Status::misaligned;
    if (!sizes_fit(s.batch, s.rows, s.heads, s.width, 3) || !sizes_fit(s.batch, s.heads, s.cache, s.width) ||
        (s.tables != 1 && s.tables != s.heads))
        return Status::bad_size;
    const detail::StepVariant* variant = variant_of(isa);
    if (!variant) return Status::isa_unavailable;
    std::unique_ptr<float[]> scores(new (std::nothrow) float[size_t(2 * (s.cache + s.rows))]);
    if (!scores) return Status::out_of_memory;
    const int64_t row = s.heads * s.width, size = s.cache * s.width;
    const int64_t fresh = s.rows < s.cache ? s.rows : s.cache, kept = s.cache - fresh;
    for (int64_t b = 0; b < s.batch; ++b)
        for (int64_t h = 0; h < s.heads; ++h) {
            const int64_t at = (b * s.heads + h) * size;
            const float* rows = projected + b * s.rows * 3 * row + h * s.width;
            const detail::HeadAttention head{s.rows, s.width, s.cache, query + b * s.rows * row + h * s.width, row,
                                             rows + row, rows + 2 * row, 3 * row, keys + at, values + at, first[b],
                                             table + (s.tables == 1 ? 0 : h * (s.cache + 2)),
                                             y + b * s.rows * row + h * s.width, row, scores.get()};
            variant->attention(head);
            const size_t held = size_t(kept * s.width) * sizeof(float);
            std::memmove(new_keys + at, keys + at + fresh * s.width, held);
            std::memmove(new_values + at, values + at + fresh * s.width, held);
            for (int64_t i = 0; i < fresh; ++i) {
                const int64_t to = at + (kept + i) * s.width, from = (s.rows - fresh + i) * 3 * row;
                std::memcpy(new_keys + to, rows + from + row, size_t(s.width) * sizeof(float));
                std::memcpy(new_values + to, rows + from + 2 * row, size_t(s.width) * sizeof(float));
            }
        }
    return Status::ok;
}

struct MotionHead::Packed {
    int64_t rank = 0, vertices = 0;
    const detail::StepVariant* variant = nullptr;
    std::unique_ptr<float[]> storage;
    const void* basis = nullptr;
    bool half = false;
};

MotionHead::MotionHead(std::unique_ptr<Packed> packed) noexcept : packed_(std::move(packed)) {}
MotionHead::~MotionHead() = default;
int64_t MotionHead::rank() const noexcept { return packed_->rank; }
int64_t MotionHead::vertices() const noexcept { return packed_->vertices; }

Status MotionHead::make(int64_t rank, int64_t vertices, const float* basis, Isa isa,
                        std::unique_ptr<MotionHead>* made) noexcept {
    if (!basis || !made) return Status::null_pointer;
    if (misaligned(basis)) return Status::misaligned;
    if (!sizes_fit(rank, vertices, detail::motion_lane)) return Status::bad_size;
    const detail::StepVariant* variant = variant_of(isa);
    if (!variant) return Status::isa_unavailable;
    std::unique_ptr<Packed> packed(new (std::nothrow) Packed);
    if (!packed) return Status::out_of_memory;
    constexpr int64_t lane = detail::motion_lane;
    const int64_t coordinates = 3 * vertices, tiles = (coordinates + lane - 1) / lane, count = tiles * lane * rank;
    bool half = true;
    uint16_t bits = 0;
    for (int64_t i = 0; i < rank * coordinates && half; ++i) half = exact_half(basis[i], &bits);
    float* start = aligned_floats(half ? (count + 1) / 2 : count, &packed->storage);
    if (!start) return Status::out_of_memory;
    auto* halves = reinterpret_cast<uint16_t*>(start);
    for (int64_t r = 0; r < rank; ++r)
        for (int64_t i = 0; i < coordinates; ++i) {
            const int64_t at = (i / lane * rank + r) * lane + i % lane;
            if (half) {
                exact_half(basis[r * coordinates + i], &bits);
                std::memcpy(halves + at, &bits, sizeof bits);
            } else {
                start[at] = basis[r * coordinates + i];
            }
        }
    packed->rank = rank;
    packed->vertices = vertices;
    packed->variant = variant;
    packed->basis = start;
    packed->half = half;
    MotionHead* head = new (std::nothrow) MotionHead(std::move(packed));
    if (!head) return Status::out_of_memory;
    made->reset(head);
    return Status::ok;
}

Status MotionHead::run(int64_t count, const float* emotion, const float* content, const float* weight, float* offsets,
                       float* products) const noexcept {
    const Packed& p = *packed_;
    if (!emotion || !content || !weight || !offsets || !products) return Status::null_pointer;
    if (misaligned(emotion) || misaligned(content) || misaligned(weight) || misaligned(offsets) || misaligned(products))
        return Status::misaligned;
    if (!sizes_fit(count, p.vertices, 3) || !sizes_fit(count, p.rank)) return Status::bad_size;
    std::unique_ptr<float[]> storage;
    float* sums = aligned_floats(p.rank * 16, &storage);
    if (!sums) return Status::out_of_memory;
    for (int64_t i = 0; i < count; ++i) {
        const detail::MotionProblem problem{p.rank, 3 * p.vertices, p.basis, emotion + i * p.rank, content + i * p.rank,
                                            weight + i * p.vertices, offsets + i * 3 * p.vertices,
                                            products + i * p.rank, sums};
        (p.half ? p.variant->motion_half : p.variant->motion_float)(problem);
    }
    return Status::ok;
}

struct GroupedConv::Packed {
    detail::ConvProblem problem{};
    const detail::StepVariant* variant = nullptr;
    std::unique_ptr<float[]> storage;
};

GroupedConv::GroupedConv(std::unique_ptr<Packed> packed) noexcept : packed_(std::move(packed)) {}
GroupedConv::~GroupedConv() = default;
const GroupedConvSizes& GroupedConv::sizes() const noexcept { return packed_->problem.sizes; }

Status GroupedConv::make(const GroupedConvSizes& s, const float* weight, const float* bias, Isa isa,
                         std::unique_ptr<GroupedConv>* made) noexcept {
    if (!weight || !bias || !made) return Status::null_pointer;
    if (misaligned(weight) || misaligned(bias)) return Status::misaligned;
    if (s.groups <= 0 || s.channels % s.groups != 0 || !sizes_fit(s.channels, s.channels, s.kernel, detail::conv_lane))
        return Status::bad_size;
    const detail::StepVariant* variant = variant_of(isa);
    if (!variant) return Status::isa_unavailable;
    std::unique_ptr<Packed> packed(new (std::nothrow) Packed);
    if (!packed) return Status::out_of_memory;
    const int64_t width = s.channels / s.groups;
    const int64_t padded = (width + detail::conv_lane - 1) / detail::conv_lane * detail::conv_lane;
    const int64_t size = s.groups * s.kernel * width * padded;
    float* start = aligned_floats(size + s.channels, &packed->storage);
    if (!start) return Status::out_of_memory;
    for (int64_t o = 0; o < s.channels; ++o)
        for (int64_t c = 0; c < width; ++c)
            for (int64_t k = 0; k < s.kernel; ++k)
                start[((o / width * s.kernel + k) * width + c) * padded + o % width] = weight[(o * width + c) * s.kernel + k];
    std::memcpy(start + size, bias, size_t(s.channels) * sizeof(float));
    packed->problem = {s, padded, start, start + size};
    packed->variant = variant;
    GroupedConv* conv = new (std::nothrow) GroupedConv(std::move(packed));
    if (!conv) return Status::out_of_memory;
    made->reset(conv);
    return Status::ok;
}

Status GroupedConv::run(int64_t batch, int64_t length, const float* x, float* y) const noexcept {
    const GroupedConvSizes& s = packed_->problem.sizes;
    if (!x || !y) return Status::null_pointer;
    if (misaligned(x) || misaligned(y)) return Status::misaligned;
    if (length < s.kernel || !sizes_fit(batch, length, s.channels)) return Status::bad_size;
    const int64_t steps = length - s.kernel + 1;
    for (int64_t b = 0; b < batch; ++b)
        packed_->variant->conv(packed_->problem, steps, x + b * length * s.channels, y + b * steps * s.channels);
    return Status::ok;
}

Status unfold_rows(int64_t batch, int64_t length, int64_t channels, int64_t kernel, int64_t stride, const float* x,
                   float* y) noexcept {
    if (!x || !y) return Status::null_pointer;
    if (misaligned(x) || misaligned(y)) return Status::misaligned;
    if (stride <= 0 || !sizes_fit(batch, length, channels, kernel) || length < kernel) return Status::bad_size;
    const int64_t steps = (length - kernel) / stride + 1, size = kernel * channels;
    for (int64_t b = 0; b < batch; ++b)
        for (int64_t t = 0; t < steps; ++t)
            std::memcpy(y + (b * steps + t) * size, x + (b * length + t * stride) * channels, size_t(size) * sizeof(float));
    return Status::ok;
}

Status delay_rows(int64_t batch, int64_t rows, int64_t width, int64_t all, int64_t start, int64_t count, const float* x,
                  const float* projected, const float* waiting, float* y, float* query, float* rest) noexcept {
    if (!x || !projected || !waiting || !y || !query || !rest) return Status::null_pointer;
    for (const float* pointer : {x, projected, waiting, static_cast<const float*>(y), static_cast<const float*>(query),
                                 static_cast<const float*>(rest)})
        if (misaligned(pointer)) return Status::misaligned;
    if (!sizes_fit(batch, rows, width, 3) || !sizes_fit(batch, all, width, 2) || start < 0 || count <= 0 ||
        start > all - count)
        return Status::bad_size;
    const size_t size = size_t(width) * sizeof(float);
    for (int64_t b = 0; b < batch; ++b)
        for (int64_t i = 0; i < rows + count; ++i) {  // first what waits, then what is new
            const float* held = waiting + (b * all + start + i) * 2 * width;
            const float* row = i < count ? held : x + (b * rows + i - count) * width;
            const float* its_query = i < count ? held + width : projected + (b * rows + i - count) * 3 * width;
            float* to = i < rows ? y + (b * rows + i) * width : rest + (b * count + i - rows) * 2 * width;
            std::memcpy(to, row, size);
            std::memcpy(i < rows ? query + (b * rows + i) * width : to + width, its_query, size);
        }
    return Status::ok;
}

}  // namespace emoface
