// What the step graphs do besides matrix products and SpiralConv3D: attention over cached keys, the motion head with
// the blend of both branches, the grouped convolution of the encoders' position embedding, and moves of rows.
//
// Arrays are dense, row-major float32; pointers must be multiples of 4 bytes (int64: of 8). No overlap of inputs and
// outputs, unless said so. C++17, no exceptions out of any function. For one instruction set the result of a call does
// not depend on what was computed before.
#pragma once

#include <cstdint>
#include <memory>

#include "spiral_conv3d.h"

namespace emoface {

struct AttentionSizes {
    int64_t batch;  // B
    int64_t rows;   // n, new rows
    int64_t heads;  // H
    int64_t width;  // d, of one head
    int64_t cache;  // S, cached rows
    int64_t tables; // 1 or H
};

// Attention of n queries over S cached and n new keys; the cache moves on by n rows.
//   query       [B, n, H, d]     already scaled
//   projected   [B, n, 3, H, d]  of the new rows: something, keys, values (one product's query, key and value)
//   keys        [B, H, S, d]     cached, oldest first; values likewise
//   first       [B]              int64, index of the first new row in the stream; keys of negative index do not exist
//   table       [tables, S + 2]  added to the score of query a and key j: entry j - a, or the last one where j - a is
//                                outside 0 ... S or the key does not exist (a large negative number)
//   y           [B, n, H, d]
//   new_keys    [B, H, S, d]     the last S of cached and new keys; new_values likewise. They may be `keys` and
//                                `values` themselves; no other overlap is allowed
Status stream_attention(const AttentionSizes& sizes, const float* query, const float* projected, const float* keys,
                        const float* values, const int64_t* first, const float* table, float* y, float* new_keys,
                        float* new_values, Isa isa) noexcept;

// Offsets of both branches from their coordinates in one motion basis, blended per vertex, and their products with the
// basis: one pass over the basis, which is kept in half precision when that is exact.
//   offsets[i, v, a]  = sum_r (content[i, r] + weight[i, v] * (emotion[i, r] - content[i, r])) * basis[r, 3 v + a]
//   products[i, r]    = sum_v,a offsets[i, v, a] * basis[r, 3 v + a]
class MotionHead {
public:
    // basis [R, 3 V], copied. On success `*made` is set.
    static Status make(int64_t rank, int64_t vertices, const float* basis, Isa isa,
                       std::unique_ptr<MotionHead>* made) noexcept;
    ~MotionHead();

    // emotion, content [N, R], weight [N, V] -> offsets [N, V, 3], products [N, R]
    Status run(int64_t count, const float* emotion, const float* content, const float* weight, float* offsets,
               float* products) const noexcept;

    int64_t rank() const noexcept;
    int64_t vertices() const noexcept;

    MotionHead(const MotionHead&) = delete;
    MotionHead& operator=(const MotionHead&) = delete;

private:
    struct Packed;
    explicit MotionHead(std::unique_ptr<Packed> packed) noexcept;
    std::unique_ptr<Packed> packed_;
};

struct GroupedConvSizes {
    int64_t channels;  // D, in and out
    int64_t groups;
    int64_t kernel;
};

// A convolution over time in groups of channels, without padding, with its weights packed.
//   y[b, t, o] = bias[o] + sum_{c, k} weight[o, c, k] * x[b, t + k, group(o) * D / groups + c]
class GroupedConv {
public:
    // weight [D, D / groups, K], bias [D], copied. On success `*made` is set.
    static Status make(const GroupedConvSizes& sizes, const float* weight, const float* bias, Isa isa,
                       std::unique_ptr<GroupedConv>* made) noexcept;
    ~GroupedConv();

    // x [B, length, D] with length >= K -> y [B, length - K + 1, D]
    Status run(int64_t batch, int64_t length, const float* x, float* y) const noexcept;

    const GroupedConvSizes& sizes() const noexcept;

    GroupedConv(const GroupedConv&) = delete;
    GroupedConv& operator=(const GroupedConv&) = delete;

private:
    struct Packed;
    explicit GroupedConv(std::unique_ptr<Packed> packed) noexcept;
    std::unique_ptr<Packed> packed_;
};

// Windows of `kernel` rows, `stride` apart, laid side by side: y[b, t, k] = x[b, t * stride + k].
//   x [B, length, C] with length >= kernel -> y [B, (length - kernel) / stride + 1, kernel, C]
Status unfold_rows(int64_t batch, int64_t length, int64_t channels, int64_t kernel, int64_t stride, const float* x,
                   float* y) noexcept;

// Rows and their queries leave `count` rows after they came.
//   x          [B, n, D]      the new rows
//   projected  [B, n, 3 D]    of the new rows; the first D columns are their queries
//   waiting    [B, R, 2 D]    of which rows start ... start + count - 1 wait here, rows and queries side by side
//   y, query   [B, n, D]
//   rest       [B, count, 2 D]
Status delay_rows(int64_t batch, int64_t rows, int64_t width, int64_t all, int64_t start, int64_t count, const float* x,
                  const float* projected, const float* waiting, float* y, float* query, float* rest) noexcept;

}  // namespace emoface
