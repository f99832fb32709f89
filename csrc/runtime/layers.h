// What happens to a stream's frames between the model and the caller: layers, each in its place, in one order. As
// emoface.rig.layers; see docs/layers.md.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "strict_json.h"
#include "zip_reader.h"

namespace emoface::runtime {

// In this order. Speech is heard first, in the model's own motion; the head sways before the eyes, which make up for it;
// controls come before gaze and blinks, which smoothing would swallow; blinks after gaze, whose lids they close from where
// they are; weights of blendshapes last, which so move and close the eyes, too.
enum class Place { speech, head_sway, controls, gaze, blinks, blendshapes };
const char* place_name(Place place);

// What is heard of a frame: 0 or how strongly it is stressed, up to 1; whether a phrase is going on, and frames since it
// began, or has ended, 0 in the frame of the change.
struct Speech {
    double stress = 0.0;
    bool speaking = false;
    int64_t since = 1;
};

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
    // The head's pose [3, 3] and [3], faded; null where nothing moves the head.
    float* head_rotation = nullptr;
    float* head_translation = nullptr;
    const float* coefficients = nullptr;  // [R], or null
    Speech speech;
    const float* weights = nullptr;  // [K] of blendshapes, or null

    // Which of the face's shapes a layer added, by which weight: of gaze eight, of blinks two.
    struct Added {
        size_t shape = 0;
        float weight = 0.0f;
    };
    void add(size_t shape, float weight) { added_[added_count_++] = {shape, weight}; }
    const Added* added() const { return added_.data(); }
    size_t added_count() const { return added_count_; }

private:
    std::array<Added, 10> added_{};
    size_t added_count_ = 0;
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

    template <class T> std::vector<T> values() const {
        std::vector<T> values(bytes.size() / sizeof(T));
        if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
        return values;
    }
};

template <class T>
LayerArray layer_array(const char* name, const char* dtype, std::vector<int64_t> shape, const T* values, size_t count) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(values);
    return {name, dtype, std::move(shape), Bytes(bytes, bytes + count * sizeof(T))};
}

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
    // By the name in a snapshot; arrays of speech, head sway and gaze are named with their place.
    std::vector<LayerArray> state() const;
    // Arrays of the kinds and in the order of `state`.
    void restore(std::vector<LayerArray> state);

private:
    std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace emoface::runtime
