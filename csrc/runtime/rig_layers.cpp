#include "rig_layers.h"

#include <algorithm>
#include <cstring>

#include "failure.h"

namespace emoface::runtime {
namespace {

template <class T> LayerArray array(const char* name, const char* dtype, std::vector<int64_t> shape, const T* values, size_t count) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(values);
    return {name, dtype, std::move(shape), Bytes(bytes, bytes + count * sizeof(T))};
}

std::vector<float> floats(const LayerArray& array) {
    std::vector<float> values(array.bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
    return values;
}

}  // namespace

ControlLayer::ControlLayer(const RigControls& controls, const Package& package) : controls_(controls) {
    if (controls.moves()) filter_ = std::make_unique<ControlFilter>(controls, package);
}

void ControlLayer::apply(LayerFrame& frame) {
    if (filter_) filter_->apply(frame.changed_offsets());
}

void ControlLayer::reset() {
    if (filter_) filter_->reset();
}

std::vector<LayerArray> ControlLayer::state() const {
    if (!filter_ || filter_->held().empty()) return {};
    const std::vector<float>& held = filter_->held();
    const int32_t started = filter_->started();
    return {array("held", "float32", {int64_t(held.size() / 3), 3}, held.data(), held.size()),
            array("started", "int32", {1}, &started, 1)};
}

void ControlLayer::restore(const std::vector<LayerArray>& state) {
    if (!state.empty()) filter_->restore(floats(state[0]), state[1].bytes[0] == 1);
}

void BlinkLayer::apply(LayerFrame& frame) {
    eyes_.add(frame.index, frame.share, frame.changed_offsets(), frame.lids.data());
    frame.blinked = true;
    frame.lid_shapes = {eyes_.shape(0), eyes_.shape(1)};
}

void BlendshapeLayer::apply(LayerFrame& frame) {
    frame.weights = weights_.data();
    if (!solver_) {
        std::copy_n(frame.coefficients, weights_.size(), weights_.data());
        if (frame.blinked)
            for (size_t lid = 0; lid < 2; ++lid) weights_[frame.lid_shapes[lid]] += frame.lids[lid];
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
    return {array("weights", "float32", {solver_->shapes()}, solver_->state(), size_t(solver_->shapes()))};
}

void BlendshapeLayer::restore(const std::vector<LayerArray>& state) {
    if (solver_) solver_->restore(floats(state[0]).data());
}

}  // namespace emoface::runtime
