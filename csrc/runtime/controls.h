// Strength, smoothing and shift in time of a stream: as emoface.rig.controls, with the same sums in the same order.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "emoface.h"

namespace emoface::runtime {

class Package;

struct RigControls {
    double upper_strength = 1.0, lower_strength = 1.0;    // factors on the motion
    double upper_smoothing = 0.0, lower_smoothing = 0.0;  // time constants in seconds
    double sync_offset = 0.0;                             // seconds by which the face comes later

    // In the order of the fields.
    std::array<double, 5> values() const {
        return {upper_strength, lower_strength, upper_smoothing, lower_smoothing, sync_offset};
    }
    bool plain() const { return values() == RigControls{}.values(); }
    bool moves() const { return upper_strength != 1.0 || lower_strength != 1.0 || smooths(); }
    bool smooths() const { return upper_smoothing != 0.0 || lower_smoothing != 0.0; }
};

// Checked; null is the defaults. Failure (ARGUMENT).
RigControls read_controls(const emoface_controls* given);

// Share of the way to a new value that one frame goes: a low-pass filter of one pole, all of it for 0 seconds.
double follow(double seconds, int64_t fps);

// Share [V] of the upper face in each vertex: 1 on brows, forehead and eyes, 0 below, smooth between. Failure (PACKAGE)
// where the package has no mask eyes_forehead.
std::vector<float> upper_share(const Package& package);

// Strength and smoothing of one stream's offsets, frame by frame.
class ControlFilter {
public:
    // Failure (PACKAGE).
    ControlFilter(const RigControls& controls, const Package& package);
    // Change the next frame's offsets [V, 3] in place. The first frame of a stream passes unsmoothed.
    void apply(float* offsets);
    void reset();
    // The smoothed offsets [V, 3] of the frame before; none without smoothing.
    const std::vector<float>& held() const { return held_; }
    bool started() const { return started_; }
    void restore(const std::vector<float>& held, bool started);

private:
    std::vector<float> gain_, follow_;  // per vertex; none where they change nothing
    std::vector<float> held_;
    bool started_ = false;
};

}  // namespace emoface::runtime
