// Coefficients of a motion basis to vertex offsets: as emoface.stream.expansion, with the same sums in the same order.
#pragma once

#include <cstddef>
#include <vector>

namespace emoface::runtime {

// Where a stream's offsets come from: its stages, where one of them has the role; or a basis [R, V, 3], which must outlive
// the stream; or nowhere.
struct OffsetSource {
    bool stages = true;
    const std::vector<float>* basis = nullptr;
    bool any() const { return stages || basis != nullptr; }
};

class Expansion {
public:
    explicit Expansion(const std::vector<float>& basis, size_t count) : basis_(basis), count_(count), other_(basis.size() / count) {}
    // Offsets [V, 3] of a frame's coefficients [R]. Where `emotion` [R] is not null, its sum has the share weight [V] of each
    // vertex.
    void offsets(const float* coefficients, const float* emotion, const float* weight, float* out);

private:
    const std::vector<float>& basis_;
    size_t count_;
    std::vector<float> other_;
};

// A half-precision number as float, exactly.
float widened(unsigned short half);

}  // namespace emoface::runtime
