#include "controls.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "failure.h"
#include "handles.h"
#include "package.h"

namespace emoface::runtime {
namespace {

constexpr int kBlurRounds = 24;

double checked(double value, double low, double high, const char* name) {
    if (value >= low && value <= high) return value;
    std::ostringstream got, expected;
    got << name << " = " << value;
    expected << "a number from " << low << " to " << high;
    fail(EMOFACE_ERROR_ARGUMENT, got.str(), expected.str(),
         "Choose a value in range; emoface_controls_init() fills in the defaults.");
}

const std::vector<int32_t>* mask(const Face& face, const char* name) {
    const auto found = std::find(face.mask_names.begin(), face.mask_names.end(), name);
    return found == face.mask_names.end() ? nullptr : &face.masks[size_t(found - face.mask_names.begin())];
}

std::vector<float> blend(double upper, double lower, const std::vector<float>& share) {
    std::vector<float> values(share.size());
    const float base = float(lower), step = float(upper - lower);
    for (size_t i = 0; i < share.size(); ++i) values[i] = base + step * share[i];
    return values;
}

}  // namespace

double follow(double seconds, int64_t fps) { return seconds != 0.0 ? 1.0 - std::exp(-1.0 / (double(fps) * seconds)) : 1.0; }

RigControls read_controls(const emoface_controls* given) {
    RigControls controls;
    if (given == nullptr) return controls;
    require_struct(given, "emoface_controls", sizeof(emoface_controls));
    controls.upper_strength = checked(given->upper_strength, 0.0, 3.0, "upper_strength");
    controls.lower_strength = checked(given->lower_strength, 0.0, 3.0, "lower_strength");
    controls.upper_smoothing = checked(given->upper_smoothing, 0.0, 1.0, "upper_smoothing");
    controls.lower_smoothing = checked(given->lower_smoothing, 0.0, 1.0, "lower_smoothing");
    controls.sync_offset = checked(given->sync_offset, -1.0, 1.0, "sync_offset");
    return controls;
}

std::vector<float> upper_share(const Package& package) {
    const Face& face = package.face();
    const std::vector<int32_t>* forehead = mask(face, "eyes_forehead");
    if (forehead == nullptr)
        fail(EMOFACE_ERROR_PACKAGE, "a face without the mask 'eyes_forehead'",
             "the mask that parts the upper from the lower face",
             "Give both halves the same strength and smoothing, or export the package with the mask.");
    const size_t vertices = face.vertices.size() / 3, triangles = face.triangles.size() / 3;
    std::vector<double> share(vertices, 0.0), sums(vertices), counts(vertices, 0.0);
    for (const int32_t vertex : *forehead) share[size_t(vertex)] = 1.0;
    if (const std::vector<int32_t>* eyes = mask(face, "eyeballs"))
        for (const int32_t vertex : *eyes) share[size_t(vertex)] = 1.0;
    // All first edges of the triangles, all second, all third; then the same turned round: sums round as in Python.
    const auto each_edge = [&](auto&& visit) {
        for (const bool turned : {false, true})
            for (size_t corner = 0; corner < 3; ++corner)
                for (size_t triangle = 0; triangle < triangles; ++triangle) {
                    const auto a = size_t(face.triangles[3 * triangle + corner]);
                    const auto b = size_t(face.triangles[3 * triangle + (corner + 1) % 3]);
                    turned ? visit(b, a) : visit(a, b);
                }
    };
    each_edge([&](size_t start, size_t) { counts[start] += 1.0; });
    for (int round = 0; round < kBlurRounds; ++round) {
        std::fill(sums.begin(), sums.end(), 0.0);
        each_edge([&](size_t start, size_t end) { sums[start] += share[end]; });
        for (size_t i = 0; i < vertices; ++i) share[i] = 0.5 * share[i] + 0.5 * sums[i] / std::max(counts[i], 1.0);
    }
    return std::vector<float>(share.begin(), share.end());
}

ControlFilter::ControlFilter(const RigControls& controls, const Package& package) {
    const RigControls& c = controls;
    const bool parted = c.upper_strength != c.lower_strength || c.upper_smoothing != c.lower_smoothing;
    const size_t values = package.face().vertices.size();
    const std::vector<float> share = parted ? upper_share(package) : std::vector<float>(values / 3, 0.0f);
    const int64_t fps = package.manifest().clock.fps;
    if (c.upper_strength != 1.0 || c.lower_strength != 1.0) gain_ = blend(c.upper_strength, c.lower_strength, share);
    if (!c.smooths()) return;
    follow_ = blend(follow(c.upper_smoothing, fps), follow(c.lower_smoothing, fps), share);
    held_.resize(values);
}

void ControlFilter::apply(float* offsets) {
    for (size_t vertex = 0; vertex < gain_.size(); ++vertex)
        for (size_t axis = 0; axis < 3; ++axis) offsets[3 * vertex + axis] *= gain_[vertex];
    if (follow_.empty()) return;
    if (started_)
        for (size_t vertex = 0; vertex < follow_.size(); ++vertex)
            for (size_t i = 3 * vertex; i < 3 * vertex + 3; ++i)
                offsets[i] = (offsets[i] - held_[i]) * follow_[vertex] + held_[i];
    std::copy(offsets, offsets + held_.size(), held_.begin());
    started_ = true;
}

void ControlFilter::reset() {
    started_ = false;
    std::fill(held_.begin(), held_.end(), 0.0f);
}

void ControlFilter::restore(const std::vector<float>& held, bool started) {
    std::copy(held.begin(), held.end(), held_.begin());
    started_ = started && !held_.empty();
}

}  // namespace emoface::runtime
