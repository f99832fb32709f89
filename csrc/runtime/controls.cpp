#include "controls.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "failure.h"
#include "handles.h"
#include "head_sway.h"
#include "package.h"

namespace emoface::runtime {
namespace {

constexpr int kBlurRounds = 24;
constexpr double kLeastSoftness = 0.001;

double checked(double value, double low, double high, const char* name) {
    return checked_number(value, low, high, name, "emoface_controls_init()");
}

std::vector<float> blend(double upper, double lower, const std::vector<float>& share) {
    std::vector<float> values(share.size());
    const float base = float(lower), step = float(upper - lower);
    for (size_t i = 0; i < share.size(); ++i) values[i] = base + step * share[i];
    return values;
}

std::vector<float> share_by_height(const Face& face, const std::vector<float>& neutral, double level, double softness) {
    const auto height = [&](int32_t v) { return double(neutral[3 * size_t(v) + 1]); };
    const auto vertices = int32_t(neutral.size() / 3);
    double bottom = std::numeric_limits<double>::infinity(), top = -bottom;
    for (const char* const name : {"jaw", "lips"})
        if (const std::vector<int32_t>* lower = find_mask(face, name))
            for (const int32_t v : *lower) bottom = std::min(bottom, height(v));
    if (std::isinf(bottom))
        for (int32_t v = 0; v < vertices; ++v) bottom = std::min(bottom, height(v));
    for (const int32_t v : *find_mask(face, "eyes_forehead")) top = std::max(top, height(v));
    if (!(top > bottom))
        fail(EMOFACE_ERROR_PACKAGE, "a face whose forehead is not above its jaw", "+Y up", "Leave mask_softness at 0.");
    std::vector<float> share;
    for (int32_t v = 0; v < vertices; ++v) {
        const double part = ((height(v) - bottom) / (top - bottom) - (level - softness)) / (2.0 * softness);
        const double t = std::min(std::max(part, 0.0), 1.0);
        share.push_back(float(t * t * (3.0 - 2.0 * t)));
    }
    return share;
}

}  // namespace

Json RigControls::identity() const {
    const auto mine = values(), plain_values = RigControls{}.values();
    const bool old = std::equal(mine.begin() + 5, mine.end(), plain_values.begin() + 5);
    return std::vector<double>(mine.begin(), old ? mine.begin() + 5 : mine.end());
}

double follow(double seconds, int64_t fps) { return seconds != 0.0 ? 1.0 - std::exp(-1.0 / (double(fps) * seconds)) : 1.0; }

RigControls read_controls(const emoface_controls* given) {
    RigControls controls;
    if (given == nullptr) return controls;
    constexpr uint32_t kFirst = offsetof(emoface_controls, mask_level);
    require_struct(given, "emoface_controls", kFirst);
    if (given->struct_size != kFirst && given->struct_size != sizeof(emoface_controls))
        fail(EMOFACE_ERROR_ARGUMENT, "emoface_controls.struct_size = " + std::to_string(given->struct_size),
             std::to_string(sizeof(emoface_controls)), "Use the header of this library's version.");
    controls.upper_strength = checked(given->upper_strength, 0.0, 3.0, "upper_strength");
    controls.lower_strength = checked(given->lower_strength, 0.0, 3.0, "lower_strength");
    controls.upper_smoothing = checked(given->upper_smoothing, 0.0, 1.0, "upper_smoothing");
    controls.lower_smoothing = checked(given->lower_smoothing, 0.0, 1.0, "lower_smoothing");
    controls.sync_offset = checked(given->sync_offset, -1.0, 1.0, "sync_offset");
    if (given->struct_size == kFirst) return controls;
    controls.mask_level = checked(given->mask_level, 0.0, 1.0, "mask_level");
    controls.mask_softness = checked(given->mask_softness, 0.0, 0.5, "mask_softness");
    if (controls.mask_softness != 0.0) checked(controls.mask_softness, kLeastSoftness, 0.5, "mask_softness");
    controls.skin_strength = checked(given->skin_strength, 0.0, 2.0, "skin_strength");
    controls.blink_strength = checked(given->blink_strength, 0.0, 2.0, "blink_strength");
    controls.blink_offset = checked(given->blink_offset, 0.0, 1.0, "blink_offset");
    controls.eyelid_open_offset = checked(given->eyelid_open_offset, -1.0, 1.0, "eyelid_open_offset");
    controls.lip_open_offset = checked(given->lip_open_offset, -0.2, 0.2, "lip_open_offset");
    controls.tongue_strength = checked(given->tongue_strength, 0.0, 3.0, "tongue_strength");
    controls.tongue_height_offset = checked(given->tongue_height_offset, -3.0, 3.0, "tongue_height_offset");
    controls.tongue_depth_offset = checked(given->tongue_depth_offset, -3.0, 3.0, "tongue_depth_offset");
    return controls;
}

std::vector<float> upper_share(const Package& package, const std::vector<float>& neutral, double level, double softness) {
    const Face& face = package.face();
    const std::vector<int32_t>* forehead = find_mask(face, "eyes_forehead");
    if (forehead == nullptr)
        fail(EMOFACE_ERROR_PACKAGE, "a face without the mask 'eyes_forehead'",
             "the mask that parts the upper from the lower face",
             "Give both halves the same strength and smoothing, or export the package with the mask.");
    if (softness != 0.0) return share_by_height(face, neutral, level, softness);
    const size_t vertices = face.vertices.size() / 3, triangles = face.triangles.size() / 3;
    std::vector<double> share(vertices, 0.0), sums(vertices), counts(vertices, 0.0);
    for (const int32_t vertex : *forehead) share[size_t(vertex)] = 1.0;
    if (const std::vector<int32_t>* eyes = find_mask(face, "eyeballs"))
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

ControlFilter::ControlFilter(const RigControls& controls, const Package& package, const std::vector<float>& neutral) {
    const RigControls& c = controls;
    const Face& face = package.face();
    if (c.needs_axes() && package.manifest().axes != kAxes)
        fail(EMOFACE_ERROR_PACKAGE, "a face with the axes '" + package.manifest().axes + "'",
             "'" + std::string(kAxes) + "', which a soft mask, an offset of the tongue and lips that close need",
             "Leave these controls at their defaults, or export the package with these axes.");
    const bool parted = c.upper_strength != c.lower_strength || c.upper_smoothing != c.lower_smoothing;
    const size_t values = package.face().vertices.size();
    const std::vector<float> share =
        parted ? upper_share(package, neutral, c.mask_level, c.mask_softness) : std::vector<float>(values / 3, 0.0f);
    const int64_t fps = package.manifest().clock.fps;
    if (c.upper_strength != 1.0 || c.lower_strength != 1.0) gain_ = blend(c.upper_strength, c.lower_strength, share);
    if (c.skin_strength != 1.0) {
        std::vector<char> skin(values / 3, 1);
        for (const std::string& name : inner_masks())
            if (const std::vector<int32_t>* mask = find_mask(face, name))
                for (const int32_t v : *mask) skin[size_t(v)] = 0;
        if (gain_.empty()) gain_.assign(values / 3, 1.0f);
        for (size_t v = 0; v < skin.size(); ++v)
            if (skin[v]) gain_[v] *= float(c.skin_strength);
    }
    lifts_ = c.lifts();
    const double unit = package.manifest().unit_in_metres;
    if (c.tongue())
        tongue_.emplace(face, neutral, c.tongue_strength, 0.01 * c.tongue_height_offset / unit, 0.01 * c.tongue_depth_offset / unit);
    if (c.lip_open_offset != 0.0) lips_.emplace(face, neutral, c.lip_open_offset);
    if (c.eyelid_open_offset != 0.0) lids_.emplace(face, c.eyelid_open_offset);
    if (!c.smooths()) return;
    follow_ = blend(follow(c.upper_smoothing, fps), follow(c.lower_smoothing, fps), share);
    held_.resize(values);
}

void ControlFilter::apply(float* offsets, float share) {
    if (tongue_) tongue_->scale(offsets);
    for (size_t vertex = 0; vertex < gain_.size(); ++vertex)
        for (size_t axis = 0; axis < 3; ++axis) offsets[3 * vertex + axis] *= gain_[vertex];
    if (!follow_.empty()) {
        if (started_)
            for (size_t vertex = 0; vertex < follow_.size(); ++vertex)
                for (size_t i = 3 * vertex; i < 3 * vertex + 3; ++i)
                    offsets[i] = (offsets[i] - held_[i]) * follow_[vertex] + held_[i];
        std::copy(offsets, offsets + held_.size(), held_.begin());
        started_ = true;
    }
    if (lifts_) tongue_->add(offsets, share);
    if (lips_) lips_->add(offsets, share);
    if (lids_) lids_->add(offsets, share);
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
