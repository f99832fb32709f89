#include "face_parts.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "failure.h"
#include "package.h"

namespace emoface::runtime {
namespace {

const char* const kParting[] = {"mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"};
const char* const kWide[] = {"eyeWideLeft", "eyeWideRight"};
const char* const kLids[] = {"eyeBlinkLeft", "eyeBlinkRight"};
constexpr double kCentral = 0.5;  // of what the shapes part most: pairs that are parted less lie in the corners
constexpr double kFlat = 1e-12;

const std::vector<int32_t>& required_mask(const Face& face, const char* name, const std::string& control) {
    const std::vector<int32_t>* mask = find_mask(face, name);
    if (mask == nullptr || mask->empty())
        fail(EMOFACE_ERROR_PACKAGE, std::string("a face without the mask '") + name + "'", "the mask that " + control + " needs",
             "Leave " + control + " at its default, or export the package with the mask.");
    return *mask;
}

size_t required_shape(const Face& face, const char* name, const std::string& control) {
    const auto found = std::find(face.blendshape_names.begin(), face.blendshape_names.end(), name);
    if (found == face.blendshape_names.end())
        fail(EMOFACE_ERROR_PACKAGE, std::string("a face without the blendshape '") + name + "'", "the shapes that " + control + " needs",
             "Leave " + control + " at its default, or export the package with these shapes.");
    return size_t(found - face.blendshape_names.begin());
}

const float* shape_of(const Face& face, size_t index) { return face.blendshapes.data() + index * face.vertices.size(); }

std::vector<size_t> moving_of(const float* shape, size_t vertices) {
    std::vector<size_t> moving;
    for (size_t v = 0; v < vertices; ++v)
        if (shape[3 * v] != 0 || shape[3 * v + 1] != 0 || shape[3 * v + 2] != 0) moving.push_back(v);
    return moving;
}

// Solve matrix [4, 4] x = right [4, n] in place.
void solve(std::array<double, 16> matrix, std::vector<double>& right, size_t n) {
    double largest = 0.0;
    for (const double value : matrix) largest = std::max(largest, std::abs(value));
    for (size_t column = 0; column < 4; ++column) {
        size_t pivot = column;
        for (size_t row = column + 1; row < 4; ++row)
            if (std::abs(matrix[4 * row + column]) > std::abs(matrix[4 * pivot + column])) pivot = row;
        if (!(std::abs(matrix[4 * pivot + column]) > kFlat * largest))
            fail(EMOFACE_ERROR_PACKAGE, "lower teeth that lie in a plane", "teeth with height, width and depth", "Repair the mask.");
        if (pivot != column) {
            std::swap_ranges(&matrix[4 * column], &matrix[4 * column] + 4, &matrix[4 * pivot]);
            std::swap_ranges(&right[n * column], &right[n * column] + n, &right[n * pivot]);
        }
        for (size_t row = 0; row < 4; ++row) {
            if (row == column) continue;
            const double share = matrix[4 * row + column] / matrix[4 * column + column];
            for (size_t i = column; i < 4; ++i) matrix[4 * row + i] -= share * matrix[4 * column + i];
            for (size_t i = 0; i < n; ++i) right[n * row + i] -= share * right[n * column + i];
        }
    }
    for (size_t row = 0; row < 4; ++row)
        for (size_t i = 0; i < n; ++i) right[n * row + i] /= matrix[4 * row + row];
}

}  // namespace

const std::vector<std::string>& inner_masks() {
    static const std::vector<std::string> names = {"teeth_lower", "teeth_upper", "tongue", "eyeballs"};
    return names;
}

const std::vector<int32_t>* find_mask(const Face& face, const std::string& name) {
    const auto found = std::find(face.mask_names.begin(), face.mask_names.end(), name);
    return found == face.mask_names.end() ? nullptr : &face.masks[size_t(found - face.mask_names.begin())];
}

Tongue::Tongue(const Face& face, const std::vector<float>& neutral, double strength, double height, double depth)
    : more_(strength - 1.0) {
    const std::string control = "a control of the tongue";
    tongue_ = required_mask(face, "tongue", control);
    teeth_ = required_mask(face, "teeth_lower", control);
    // Around the teeth's middle and in their size, so that the sums are well conditioned.
    double middle[3] = {}, size = 0.0;
    for (const int32_t v : teeth_)
        for (size_t i = 0; i < 3; ++i) middle[i] += double(neutral[3 * size_t(v) + i]) / double(teeth_.size());
    for (const int32_t v : teeth_)
        for (size_t i = 0; i < 3; ++i) size = std::max(size, std::abs(double(neutral[3 * size_t(v) + i]) - middle[i]));
    const auto row = [&](int32_t v) {
        std::array<double, 4> values{0.0, 0.0, 0.0, 1.0};
        for (size_t i = 0; i < 3; ++i) values[i] = (double(neutral[3 * size_t(v) + i]) - middle[i]) / (size > 0 ? size : 1.0);
        return values;
    };
    std::array<double, 16> normal{};
    fit_.resize(4 * teeth_.size());
    for (size_t k = 0; k < teeth_.size(); ++k) {
        const std::array<double, 4> values = row(teeth_[k]);
        for (size_t i = 0; i < 4; ++i) {
            fit_[i * teeth_.size() + k] = values[i];
            for (size_t j = 0; j < 4; ++j) normal[4 * i + j] += values[i] * values[j];
        }
    }
    solve(normal, fit_, teeth_.size());
    double root = neutral[3 * size_t(tongue_[0]) + 2], tip = root;
    for (const int32_t v : tongue_) {
        const std::array<double, 4> values = row(v);
        rows_.insert(rows_.end(), values.begin(), values.end());
        root = std::min(root, double(neutral[3 * size_t(v) + 2]));
        tip = std::max(tip, double(neutral[3 * size_t(v) + 2]));
    }
    for (const int32_t v : tongue_) {
        const double t = (double(neutral[3 * size_t(v) + 2]) - root) / (tip > root ? tip - root : 1.0);
        const double share = t * t * (3.0 - 2.0 * t);
        shift_.insert(shift_.end(), {0.0f, float(share * height), float(share * depth)});
    }
}

void Tongue::scale(float* offsets) const {
    if (more_ == 0.0) return;
    double jaw[12] = {};
    for (size_t i = 0; i < 4; ++i)
        for (size_t k = 0; k < teeth_.size(); ++k)
            for (size_t axis = 0; axis < 3; ++axis)
                jaw[3 * i + axis] += fit_[i * teeth_.size() + k] * double(offsets[3 * size_t(teeth_[k]) + axis]);
    for (size_t k = 0; k < tongue_.size(); ++k)
        for (size_t axis = 0; axis < 3; ++axis) {
            float& value = offsets[3 * size_t(tongue_[k]) + axis];
            double carried = 0.0;
            for (size_t i = 0; i < 4; ++i) carried += rows_[4 * k + i] * jaw[3 * i + axis];
            value += float(more_ * (double(value) - carried));
        }
}

void Tongue::add(float* offsets, float share) const {
    for (size_t k = 0; k < tongue_.size(); ++k)
        for (size_t axis = 0; axis < 3; ++axis) offsets[3 * size_t(tongue_[k]) + axis] += share * shift_[3 * k + axis];
}

LipOffset::LipOffset(const Face& face, const std::vector<float>& neutral, double weight) : weight_(weight) {
    const std::string control = "lip_open_offset";
    std::vector<float> parting(face.vertices.size(), 0.0f);
    for (const char* const name : kParting) {
        const float* const shape = shape_of(face, required_shape(face, name, control));
        for (size_t i = 0; i < parting.size(); ++i) parting[i] += shape[i];
    }
    moving_ = moving_of(parting.data(), parting.size() / 3);
    for (const size_t v : moving_) parting_.insert(parting_.end(), &parting[3 * v], &parting[3 * v] + 3);
    if (weight > 0) return;
    const std::vector<int32_t>& uppers = required_mask(face, "upper_lip_inner", control);
    const std::vector<int32_t>& lowers = required_mask(face, "lower_lip_inner", control);
    double most = 0.0;
    std::vector<Pair> pairs;
    for (const int32_t upper : uppers) {
        int32_t nearest = lowers[0];
        const auto apart = [&](int32_t v) { return std::abs(double(neutral[3 * size_t(upper)]) - double(neutral[3 * size_t(v)])); };
        for (const int32_t lower : lowers)
            if (apart(lower) < apart(nearest)) nearest = lower;
        const size_t a = 3 * size_t(upper) + 1, b = 3 * size_t(nearest) + 1;
        pairs.push_back({size_t(upper), size_t(nearest), double(neutral[a]) - double(neutral[b]), double(parting[a]) - double(parting[b])});
        most = std::max(most, pairs.back().parted);
    }
    for (const Pair& pair : pairs)
        if (pair.parted > 0 && pair.parted >= kCentral * most) pairs_.push_back(pair);
    if (pairs_.empty())
        fail(EMOFACE_ERROR_PACKAGE, "shapes that part no lips", "+Y up, and shapes that do", "Leave lip_open_offset at 0.");
}

void LipOffset::add(float* offsets, float share) const {
    double weight = weight_;
    if (weight < 0) {
        double gap = -weight;
        for (const Pair& pair : pairs_) {
            const double moved = double(offsets[3 * pair.upper + 1]) - double(offsets[3 * pair.lower + 1]);
            gap = std::min(gap, (pair.rest + moved) / pair.parted);
        }
        weight = -std::max(gap, 0.0);
    }
    const float factor = share * float(weight);
    for (size_t k = 0; k < moving_.size(); ++k)
        for (size_t i = 0; i < 3; ++i) offsets[3 * moving_[k] + i] += factor * parting_[3 * k + i];
}

EyelidOffset::EyelidOffset(const Face& face, double weight) : weight_(weight) {
    for (const char* const name : weight > 0 ? kWide : kLids) {
        const size_t index = required_shape(face, name, "eyelid_open_offset");
        if (weight < 0) {
            lids_.emplace_back(face, index);
            continue;
        }
        const float* const shape = shape_of(face, index);
        Wide wide{moving_of(shape, face.vertices.size() / 3), {}};
        for (const size_t v : wide.moving) wide.shape.insert(wide.shape.end(), shape + 3 * v, shape + 3 * v + 3);
        wide_.push_back(std::move(wide));
    }
}

void EyelidOffset::add(float* offsets, float share) const {
    const float factor = share * float(weight_);
    for (const Wide& wide : wide_)
        for (size_t k = 0; k < wide.moving.size(); ++k)
            for (size_t i = 0; i < 3; ++i) offsets[3 * wide.moving[k] + i] += factor * wide.shape[3 * k + i];
    for (const Lid& lid : lids_) lid.add(share * float(-weight_ * lid.opening(offsets) * lid.full()), offsets);
}

}  // namespace emoface::runtime
