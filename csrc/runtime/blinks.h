// Procedural blinks: when the eyes close is a function of a seed and the frame's index alone. As emoface.rig.blinks, with
// the same integers and the same sums in the same order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "emoface.h"

namespace emoface::runtime {

class Package;
struct Face;

struct Blinks {
    bool on = false;
    uint32_t seed = 0;
    double rate = 15.0;  // per minute
};

// Checked; blinks that are not asked for are on where the package can blink. Failure (ARGUMENT, PACKAGE).
Blinks read_blinks(const emoface_animator_config& config, const Package& package);

// Milliseconds at which blinks of a minute begin, ascending: at most one per second, and its double.
struct BlinkStarts {
    std::array<int64_t, 128> at{};
    size_t count = 0;
};
BlinkStarts blink_starts(const Blinks& blinks, int64_t minute);

// How far the lids are closed at a frame.
class BlinkSchedule {
public:
    BlinkSchedule(const Blinks& blinks, int64_t fps) : blinks_(blinks), fps_(fps) {}
    // 0 (as the model has them) to 4096 (closed).
    int64_t closure(int64_t frame);

private:
    Blinks blinks_;
    int64_t fps_, cell_ = -1;
    BlinkStarts starts_;
};

// One eye: its blink shape, and how much of it closes the eye of a frame.
class Lid {
public:
    // Failure (PACKAGE) where the shape does not close the eye.
    Lid(const Face& face, size_t shape);
    // How much of `full` closes the eye: 1 at rest, 0 for closed lids, up to 1.5 for eyes wide open; offsets [V, 3].
    double opening(const float* offsets) const;
    // The weight of a shape at which the lids have met; 1 but for one that goes on after.
    double full() const { return full_; }
    void add(float weight, float* offsets) const;

private:
    struct Pair {
        size_t upper, lower;
        double per_unit[3];  // change of the distance, as a part of what the shape closes
    };
    double full_ = 1.0;
    std::vector<Pair> pairs_;
    std::vector<size_t> moving_;
    std::vector<float> shape_;  // [moving, 3]
};

// Blinks of one stream.
class EyeBlinks {
public:
    // `strength` is a factor on how far blinks close the eyes, `offset` by how much they are closed all the time.
    // Failure (PACKAGE) where the package has no shapes that close the eyes.
    EyeBlinks(const Blinks& blinks, const Package& package, double strength = 1.0, double offset = 0.0);
    // Close the eyes in a frame with offsets [V, 3], in place; `share` is a factor for a face that returns to rest.
    // `closed` receives the weights of the left and the right eye's shape that were added.
    void add(int64_t frame, float share, float* offsets, float closed[2]);
    // Which of the face's blendshapes a lid has.
    size_t shape(size_t lid) const { return shapes_[lid]; }

private:
    BlinkSchedule schedule_;
    bool on_;
    double strength_, offset_;
    std::vector<Lid> lids_;
    std::vector<size_t> shapes_;
};

}  // namespace emoface::runtime
