// The layers that a stream's options ask for: controls, blinks, weights of blendshapes.
#pragma once

#include <memory>
#include <vector>

#include "blendshape_solver.h"
#include "blinks.h"
#include "controls.h"
#include "layers.h"

namespace emoface::runtime {

// Strengths, smoothing and additions to the offsets.
class ControlLayer : public Layer {
public:
    ControlLayer(const RigControls& controls, const Package& package, const std::vector<float>& neutral);
    Place place() const override { return Place::controls; }
    Json identity() const override { return controls_.identity(); }
    void apply(LayerFrame& frame) override;
    void reset() override;
    std::vector<LayerArray> state() const override;
    void restore(const std::vector<LayerArray>& state) override;

private:
    RigControls controls_;
    std::unique_ptr<ControlFilter> filter_;  // none where they change no offsets
};

// Closes the eyes; nothing is remembered from frame to frame.
class BlinkLayer : public Layer {
public:
    BlinkLayer(const Blinks& blinks, const RigControls& controls, const Package& package)
        : blinks_(blinks), eyes_(blinks, package, controls.blink_strength, controls.blink_offset) {}
    Place place() const override { return Place::blinks; }
    Json identity() const override { return blinks_.on ? Json{double(blinks_.seed), blinks_.rate} : Json(); }
    void apply(LayerFrame& frame) override;

private:
    Blinks blinks_;
    EyeBlinks eyes_;
};

// Weights of the package's blendshapes: solved for the offsets, or, without a solver, the model's coefficients and what
// gaze and blinks added to them.
class BlendshapeLayer : public Layer {
public:
    BlendshapeLayer(size_t shapes, std::unique_ptr<BlendshapeSolver> solver) : solver_(std::move(solver)), weights_(shapes) {}
    Place place() const override { return Place::blendshapes; }
    void apply(LayerFrame& frame) override;
    void reset() override;
    std::vector<LayerArray> state() const override;
    void restore(const std::vector<LayerArray>& state) override;

private:
    std::unique_ptr<BlendshapeSolver> solver_;
    std::vector<float> weights_;
};

}  // namespace emoface::runtime
