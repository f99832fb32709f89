// Layers after the model: their order, places, identity and state, with layers of the test's own. Run by
// tests/runtime/test_runtime_layers.py, which compares them with Python's.
#include <cstdio>
#include <cstring>

#include "failure.h"
#include "layers.h"

using namespace emoface::runtime;

namespace {

std::string turns;

// Writes its turn into the offsets, or the pose, and remembers how many frames it saw.
class Written : public Layer {
public:
    Written(Place place, int seed) : place_(place), seed_(seed) {}
    Place place() const override { return place_; }
    Json identity() const override { return seed_ < 0 ? Json() : Json{seed_}; }
    void apply(LayerFrame& frame) override {
        turns += std::string(turns.empty() ? "" : " ") + place_name(place_);
        ++seen_;
        if (place_ == Place::head_sway) frame.head_translation[0] += frame.share;
        else if (place_ != Place::speech) frame.changed_offsets()[0] += frame.share;
    }
    void reset() override { seen_ = 0; }
    std::vector<LayerArray> state() const override {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&seen_);
        return {{"seen", "int64", {1}, Bytes(bytes, bytes + sizeof seen_)}};
    }
    void restore(const std::vector<LayerArray>& state) override {
        if (state.at(0).name == "seen") std::memcpy(&seen_, state[0].bytes.data(), sizeof seen_);
    }

private:
    Place place_;
    int seed_;
    int64_t seen_ = 0;
};

int64_t seen(const LayerArray& array) {
    int64_t value = 0;
    std::memcpy(&value, array.bytes.data(), sizeof value);
    return value;
}

int faults = 0;
void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "expected: %s\n", what);
    ++faults;
}

}  // namespace

int main() {
    constexpr Place all[] = {Place::blendshapes, Place::gaze, Place::speech, Place::controls, Place::head_sway, Place::blinks};
    Layers layers;
    for (const Place place : all) layers.put(std::make_unique<Written>(place, place == Place::blinks ? -1 : int(place)));
    bool refused = false;
    try {
        layers.put(std::make_unique<Written>(Place::gaze, 0));
    } catch (const Failure&) {
        refused = true;
    }
    expect(refused, "a place holds one layer");

    const float given[3] = {1, 2, 3};
    float own[3] = {}, rotation[9] = {}, translation[3] = {};
    LayerFrame frame(5, 0.5f, given, 3, own);
    frame.head_rotation = rotation;
    frame.head_translation = translation;
    layers.apply(frame);
    std::printf("%s\n", turns.c_str());
    expect(given[0] == 1 && frame.offsets() == own && own[0] == 3.0f && own[2] == 3.0f, "offsets changed in a copy");
    expect(translation[0] == 0.5f, "a pose that was moved");

    for (const auto& [place, said] : layers.identity()) std::printf("%s=%s ", place.c_str(), said.dump().c_str());
    std::printf("\n");
    std::vector<LayerArray> state = layers.state();
    for (const LayerArray& array : state) std::printf("%s ", array.name.c_str());
    std::printf("\n");
    LayerFrame next(6, 1.0f, given, 3, own);
    next.head_translation = translation;
    layers.apply(next);
    expect(seen(layers.state().front()) == 2, "two frames seen");
    layers.restore(state);
    for (const LayerArray& array : layers.state()) expect(seen(array) == 1, "the state of before");
    layers.reset();
    for (const LayerArray& array : layers.state()) expect(seen(array) == 0, "a new stream");
    return faults == 0 ? 0 : 1;
}
