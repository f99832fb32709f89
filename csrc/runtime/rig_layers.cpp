#include "rig_layers.h"

#include <algorithm>

#include "failure.h"

namespace emoface::runtime {
ControlLayer::ControlLayer(const RigControls& controls, const Package& package, const std::vector<float>& neutral)
    : controls_(controls) {
    if (controls.moves()) filter_ = std::make_unique<ControlFilter>(controls, package, neutral);
}

void ControlLayer::apply(LayerFrame& frame) {
    if (filter_) filter_->apply(frame.changed_offsets(), frame.share);
}

void ControlLayer::reset() {
    if (filter_) filter_->reset();
}

std::vector<LayerArray> ControlLayer::state() const {
    if (!filter_ || filter_->held().empty()) return {};
    const std::vector<float>& held = filter_->held();
    const int32_t started = filter_->started();
    return {layer_array("held", "float32", {int64_t(held.size() / 3), 3}, held.data(), held.size()),
            layer_array("started", "int32", {1}, &started, 1)};
}

void ControlLayer::restore(const std::vector<LayerArray>& state) {
    if (!state.empty()) filter_->restore(state[0].values<float>(), state[1].bytes[0] == 1);
}

void BlinkLayer::apply(LayerFrame& frame) {
    float closed[2];
    eyes_.add(frame.index, frame.share, frame.changed_offsets(), closed);
    for (size_t lid = 0; lid < 2; ++lid) frame.add(eyes_.shape(lid), closed[lid]);
}

void BlendshapeLayer::apply(LayerFrame& frame) {
    frame.weights = weights_.data();
    if (!solver_) {
        std::copy_n(frame.coefficients, weights_.size(), weights_.data());
        for (size_t i = 0; i < frame.added_count(); ++i) weights_[frame.added()[i].shape] += frame.added()[i].weight;
        return;
    }
    if (solver_->solve(frame.offsets(), weights_.data()) != BlendshapeSolver::Status::ok)
        fail(EMOFACE_ERROR_RUNTIME, "offsets that no blendshapes can follow", "finite offsets", "Call emoface_reset().");
}

void BlendshapeLayer::reset() {
    if (solver_) solver_->reset();
}

std::vector<LayerArray> BlendshapeLayer::state() const {
    if (!solver_) return {};
    return {layer_array("weights", "float32", {solver_->shapes()}, solver_->state(), size_t(solver_->shapes()))};
}

void BlendshapeLayer::restore(const std::vector<LayerArray>& state) {
    if (solver_) solver_->restore(state[0].values<float>().data());
}

}  // namespace emoface::runtime
