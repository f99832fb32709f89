// Vertex offsets to blendshape weights, frame by frame: the C++ twin of sdk/emoface/rig/solver.py.
//
// With offsets x, shapes B, weights p of the frame before and shape sizes c[k] = |B[k]| / s, where s is the root mean
// square of all |B[k]|, the weights minimise
//
//   1/2 |B' w - x|^2 / s^2 + sparsity sum c[k] w[k]
//     + 1/2 smoothness sum c[k]^2 (w[k] - p[k])^2 + 1/2 1e-4 sum c[k]^2 w[k]^2,   0 <= w <= 1,
//
// exactly, by a primal active set method that starts from p. Nothing throws; after make() nothing allocates.
#pragma once

#include <cstdint>
#include <memory>

namespace emoface {

class BlendshapeSolver {
public:
    static constexpr float kDefaultSparsity = 0.002f;
    static constexpr float kDefaultSmoothness = 0.05f;

    enum class Status {
        ok,
        bad_size,         // shapes or vertices < 1
        bad_parameter,    // sparsity or smoothness is negative or not finite
        not_finite,       // NaN or infinity in the deltas, offsets or state
        empty,            // no shape has any offset
        dependent_shape,  // `shape_at_fault` is a combination of shapes before it
        out_of_memory,
    };

    // What `status` means, for a message. Never null.
    static const char* explain(Status status) noexcept;

    // deltas: float [shapes, vertices, 3], offsets at weight 1; not needed after the call.
    // shape_at_fault: may be null; receives the index of the shape that not_finite and dependent_shape are about.
    static Status make(int64_t shapes, int64_t vertices, const float* deltas, float sparsity, float smoothness,
                       std::unique_ptr<BlendshapeSolver>* solver, int64_t* shape_at_fault = nullptr) noexcept;

    ~BlendshapeSolver();
    BlendshapeSolver(const BlendshapeSolver&) = delete;
    BlendshapeSolver& operator=(const BlendshapeSolver&) = delete;

    int64_t shapes() const noexcept;
    int64_t vertices() const noexcept;

    // offsets: float [vertices, 3], vertices minus template. weights: receives float [shapes], each 0..1.
    // not_finite leaves weights and state as they were.
    Status solve(const float* offsets, float* weights) noexcept;

    // Begin again at the neutral face.
    void reset() noexcept;

    // All that the next frame depends on: the weights of the frame before, float [shapes].
    const float* state() const noexcept;

    // Continue from a state; weights outside 0..1 are refused as not_finite.
    Status restore(const float* state) noexcept;

private:
    struct Data;
    explicit BlendshapeSolver(std::unique_ptr<Data> data) noexcept;
    std::unique_ptr<Data> data_;
};

}  // namespace emoface
