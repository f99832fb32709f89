// Where the eyes look: fixations and saccades on a listener's face, glances, drift, and looking away in thought. As
// emoface.rig.gaze, with the same integers and the same sums in the same order.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "blinks.h"
#include "layers.h"
#include "seeded.h"

namespace emoface::runtime {

class Package;

// Degrees to the face's left and up.
struct Look {
    double x = 0.0, y = 0.0;
};

// A shape that turns an eye: which of the face's blendshapes, what it moves by how much, how far it turns the eye.
struct LookShape {
    size_t index = 0;
    std::vector<size_t> moving;
    std::vector<float> shape;  // [moving, 3]
    double degrees = 0.0;
};

// In, out, up and down of the left eye, then of the right; Failure (PACKAGE) where the face cannot turn its eyes.
std::vector<LookShape> find_eyes(const Package& package);

// Where the eyes rest, and how they get there.
class Fixations {
public:
    // `blinks` of the same face.
    Fixations(uint32_t seed, int64_t fps, const Blinks& blinks);
    Look at(int64_t frame);

private:
    // The fixations of a cell; at most one per 300 ms.
    struct Cell {
        std::array<int64_t, 40> starts{};
        std::array<Look, 40> places{};
        size_t count = 0;
    };
    void draw(int64_t cell, Cell& out);
    uint64_t seed_;
    int64_t fps_, cell_ = -1;
    Blinks blinks_;
    BlinkStarts closing_;
    Cell drawn_, earlier_;
    Look before_;
};

class GazeLayer : public Layer {
public:
    // Failure (PACKAGE) where the face cannot turn its eyes.
    GazeLayer(const Seeded& gaze, const Package& package, const Blinks& blinks);
    Place place() const override { return Place::gaze; }
    Json identity() const override { return {double(gaze_.seed), gaze_.strength}; }
    void apply(LayerFrame& frame) override;
    void reset() override { away_ = {}; }
    std::vector<LayerArray> state() const override;
    void restore(const std::vector<LayerArray>& state) override;

private:
    std::array<double, 8> turns(const LayerFrame& frame);
    void think(const LayerFrame& frame);

    Seeded gaze_;
    std::vector<LookShape> eyes_;
    int64_t fps_;
    Fixations fixations_;
    uint64_t pauses_;
    std::vector<SmoothNoise> noises_;  // drift aside and up, jitter aside and up
    std::array<float, 2> away_{};      // degrees aside and up
};

}  // namespace emoface::runtime
