// The layers that a stream's options ask for: controls, blinks, weights of blendshapes.
#pragma once

#include <memory>
#include <vector>

#include "blendshape_solver.h"
#include "blinks.h"
#include "controls.h"
#include "layers.h"

namespace emoface::runtime {

// Strength and smoothing of the offsets.
class ControlLayer : public Layer {
public:
    ControlLayer(const RigControls& controls, const Package& package);
    Place place() const override { return Place::controls; }
    Json identity() const override { return controls_.values(); }
    void apply(LayerFrame& frame) override;
    void reset() override;
    std::vector<LayerArray> state() const override;
    void restore(const std::vector<LayerArray>& state) override;

private:
    RigControls controls_;
    std::unique_ptr<ControlFilter> filter_;  // none where they shift time alone
};

// Closes the eyes; nothing is remembered from frame to frame.
class BlinkLayer : public Layer {
public:
    BlinkLayer(const Blinks& blinks, const Package& package) : blinks_(blinks), eyes_(blinks, package) {}
    Place place() const override { return Place::blinks; }
    Json identity() const override { return {double(blinks_.seed), blinks_.rate}; }
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
