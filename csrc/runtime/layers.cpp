#include "layers.h"

#include <algorithm>
#include <cstring>

#include "failure.h"

namespace emoface::runtime {
namespace {

// Snapshots had the others before there were places, and keep their names.
bool is_named(Place place) { return place == Place::speech || place == Place::head_sway || place == Place::gaze; }

std::string prefix(const Layer& layer) {
    return is_named(layer.place()) ? std::string(place_name(layer.place())) + "." : std::string();
}

}  // namespace

const char* place_name(Place place) {
    static const char* const names[] = {"speech", "head_sway", "controls", "gaze", "blinks", "blendshapes"};
    return names[size_t(place)];
}

float* LayerFrame::changed_offsets() {
    if (offsets_ != own_ && size_ != 0) std::memcpy(own_, offsets_, size_ * sizeof(float));
    offsets_ = own_;
    return own_;
}

void Layers::put(std::unique_ptr<Layer> layer) {
    const auto after = [&](const std::unique_ptr<Layer>& other) { return other->place() >= layer->place(); };
    const auto at = std::find_if(layers_.begin(), layers_.end(), after);
    if (at != layers_.end() && (*at)->place() == layer->place())
        fail(EMOFACE_ERROR_ARGUMENT, std::string("a layer for ") + place_name(layer->place()), "a place that is free",
             "Each place holds one layer.");
    layers_.insert(at, std::move(layer));
}

void Layers::apply(LayerFrame& frame) {
    for (const auto& layer : layers_) layer->apply(frame);
}

void Layers::reset() {
    for (const auto& layer : layers_) layer->reset();
}

std::vector<std::pair<std::string, Json>> Layers::identity() const {
    std::vector<std::pair<std::string, Json>> said;
    for (const bool named : {false, true})
        for (const auto& layer : layers_)
            if (Json identity = layer->identity(); is_named(layer->place()) == named && !identity.is_null())
                said.emplace_back(place_name(layer->place()), std::move(identity));
    return said;
}

std::vector<LayerArray> Layers::state() const {
    std::vector<LayerArray> all;
    for (const auto& layer : layers_)
        for (LayerArray& one : layer->state()) {
            one.name = prefix(*layer) + one.name;
            all.push_back(std::move(one));
        }
    return all;
}

void Layers::restore(std::vector<LayerArray> state) {
    auto next = std::make_move_iterator(state.begin());
    for (const auto& layer : layers_) {
        const auto count = std::ptrdiff_t(layer->state().size());
        std::vector<LayerArray> own(next, next + count);
        for (LayerArray& one : own) one.name.erase(0, prefix(*layer).size());
        layer->restore(own);
        next += count;
    }
}

}  // namespace emoface::runtime
