// What happens to a stream's frames between the model and the caller: layers, each in its place, in one order. As
// emoface.rig.layers; see docs/layers.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strict_json.h"
#include "zip_reader.h"

namespace emoface::runtime {

// In this order. Controls come before blinks, which smoothing would swallow; blinks before the weights of blendshapes,
// which so close the eyes, too. Head sway and gaze are slots: places for a layer that is put there.
enum class Place { head_sway, controls, gaze, blinks, blendshapes };
const char* place_name(Place place);

// One frame, which layers change in their turn: sway the pose, controls, gaze and blinks the offsets, blendshapes the
// weights, each nothing else.
class LayerFrame {
public:
    // own: where offsets [size] go once a layer changes them; may be where they are.
    LayerFrame(int64_t index, float share, const float* offsets, size_t size, float* own)
        : index(index), share(share), offsets_(offsets), own_(own), size_(size) {}
    const float* offsets() const { return offsets_; }
    float* changed_offsets();

    const int64_t index;
    const float share;  // what is left of the motion in a tail: a layer that adds some takes that much of it
    // The head's pose [3, 3] and [3], faded; null where the package does not move the head.
    float* head_rotation = nullptr;
    float* head_translation = nullptr;
    const float* coefficients = nullptr;  // [R], or null
    // Weights of the left and the right eye's shape that blinks added, and which of the face's shapes these are.
    bool blinked = false;
    std::array<float, 2> lids{};
    std::array<size_t, 2> lid_shapes{};
    const float* weights = nullptr;  // [K] of blendshapes, or null

private:
    const float* offsets_;
    float* const own_;
    const size_t size_;
};

// An array of a layer's state; `dtype` and `shape` never change.
struct LayerArray {
    std::string name;
    const char* dtype;  // "float32", "int32", "int64"
    std::vector<int64_t> shape;
    Bytes bytes;
};

// One layer of one stream. Frames come one after the other.
class Layer {
public:
    virtual ~Layer() = default;
    virtual Place place() const = 0;
    // What the stream of a snapshot must share: seed and options; null where there is nothing.
    virtual Json identity() const { return nullptr; }
    virtual void apply(LayerFrame& frame) = 0;
    virtual void reset() {}
    // What the next frame depends on.
    virtual std::vector<LayerArray> state() const { return {}; }
    // Continue from arrays of the kinds of `state`, whatever finite values they hold.
    virtual void restore(const std::vector<LayerArray>& state) { (void)state; }
};

// The layers of one stream, at most one in a place.
class Layers {
public:
    // Failure (ARGUMENT) where the place is taken.
    void put(std::unique_ptr<Layer> layer);
    void apply(LayerFrame& frame);
    void reset();
    // By place, for the header of a snapshot.
    std::vector<std::pair<std::string, Json>> identity() const;
    // By the name in a snapshot; arrays of slots are named with their place.
    std::vector<LayerArray> state() const;
    // Arrays of the kinds and in the order of `state`.
    void restore(std::vector<LayerArray> state);

private:
    std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace emoface::runtime
