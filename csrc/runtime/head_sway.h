// How a speaker's head moves: slow sway, small nods on stressed syllables, lower at a phrase's end. As
// emoface.rig.head_sway, with the same sums in the same order.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "layers.h"
#include "seeded.h"

namespace emoface::runtime {

// The axes of faces whose heads can sway, and of what must know up and front.
inline constexpr const char* kAxes = "+Y up, +Z front";

class Package;

// Failure (PACKAGE) where there is nothing that the package's head could turn about.
void check_head(const Package& package);

class SwayLayer : public Layer {
public:
    // pivot [3]: what the head that is animated turns about. posed: whether frames have a pose of the model's.
    SwayLayer(const Seeded& sway, const float* pivot, int64_t fps, bool posed);
    Place place() const override { return Place::head_sway; }
    Json identity() const override { return {double(sway_.seed), sway_.strength}; }
    void apply(LayerFrame& frame) override;
    void reset() override;
    std::vector<LayerArray> state() const override;
    void restore(const std::vector<LayerArray>& state) override;

private:
    void follow_speech(const LayerFrame& frame);

    Seeded sway_;
    std::array<float, 3> pivot_;
    bool posed_;
    uint64_t nods_;
    std::vector<SmoothNoise> noises_;  // [axis, slow or less slow]
    double livelier_, calmer_, nod_kept_, lower_kept_, step_, most_step_, damping_;
    float push_ = 0.0f, lower_ = 0.0f, pitch_ = 0.0f, speed_ = 0.0f, lively_ = 0.0f;
};

}  // namespace emoface::runtime
