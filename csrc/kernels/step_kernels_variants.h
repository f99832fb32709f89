// Internal: the instruction-set variants of step_kernels.h.
#pragma once

#include "spiral_conv3d_variants.h"
#include "step_kernels.h"

namespace emoface::detail {

// One head of one batch entry. Strides in floats: query_stride and y_stride between rows, row_stride between new keys.
struct HeadAttention {
    int64_t rows, width, cache;
    const float* query;
    int64_t query_stride;
    const float *new_key, *new_value;
    int64_t row_stride;
    const float *keys, *values;
    int64_t first;
    const float* table;
    float* y;
    int64_t y_stride;
    float* scores;  // room for 2 (cache + rows)
};

// The basis in columns of `lane` coordinates: [tile][rank][lane], float or half; the last tile is padded with zeros.
struct MotionProblem {
    int64_t rank, coordinates;
    const void* basis;
    const float *emotion, *content, *weight;  // of one frame
    float *offsets, *products;
    float* sums;  // room for rank * motion_lane, aligned
};

// [group][kernel * channels per group][outputs per group, padded]
struct ConvProblem {
    GroupedConvSizes sizes;
    int64_t padded;
    const float *weight, *bias;
};

constexpr int64_t motion_vertices = 16;
constexpr int64_t motion_lane = 3 * motion_vertices;  // coordinates of a tile
constexpr int64_t conv_lane = 16;

struct StepVariant {
    void (*attention)(const HeadAttention& head);
    void (*motion_float)(const MotionProblem& problem);
    void (*motion_half)(const MotionProblem& problem);
    void (*conv)(const ConvProblem& problem, int64_t steps, const float* x, float* y);  // one batch entry
};

extern const StepVariant scalar_steps;
#ifdef EMOFACE_X86_VARIANTS
extern const StepVariant avx2_steps;
extern const StepVariant avx512_steps;
#endif

}  // namespace emoface::detail
