// Strengths, smoothing, offsets and shift in time of a stream: as emoface.rig.controls, with the same sums in the same
// order.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emoface.h"
#include "face_parts.h"
#include "strict_json.h"

namespace emoface::runtime {

class Package;

struct RigControls {
    double upper_strength = 1.0, lower_strength = 1.0;    // factors on the motion
    double upper_smoothing = 0.0, lower_smoothing = 0.0;  // time constants in seconds
    double sync_offset = 0.0;                             // seconds by which the face comes later

    double mask_level = 0.5, mask_softness = 0.0;         // of the height of the face; softness 0: the package's own mask
    double skin_strength = 1.0, blink_strength = 1.0, blink_offset = 0.0;
    double eyelid_open_offset = 0.0, lip_open_offset = 0.0;
    double tongue_strength = 1.0, tongue_height_offset = 0.0, tongue_depth_offset = 0.0;  // offsets in cm

    // In the order of the fields.
    std::array<double, 15> values() const {
        return {upper_strength, lower_strength, upper_smoothing, lower_smoothing, sync_offset, mask_level, mask_softness,
                skin_strength, blink_strength, blink_offset, eyelid_open_offset, lip_open_offset, tongue_strength,
                tongue_height_offset, tongue_depth_offset};
    }
    // What snapshots say: the first five values where all others are as they were always.
    Json identity() const;
    bool plain() const { return values() == RigControls{}.values(); }
    // Whether offsets change before the blinks.
    bool moves() const {
        return upper_strength != 1.0 || lower_strength != 1.0 || smooths() || skin_strength != 1.0 || tongue() || lip_open_offset != 0.0 ||
               eyelid_open_offset != 0.0;
    }
    bool lifts() const { return tongue_height_offset != 0.0 || tongue_depth_offset != 0.0; }
    bool tongue() const { return tongue_strength != 1.0 || lifts(); }
    // Whether up and front must be known.
    bool needs_axes() const { return mask_softness != 0.0 || lifts() || lip_open_offset < 0.0; }
    bool smooths() const { return upper_smoothing != 0.0 || lower_smoothing != 0.0; }
};

// Checked; null is the defaults. Failure (ARGUMENT).
RigControls read_controls(const emoface_controls* given);

// Share of the way to a new value that one frame goes: a low-pass filter of one pole, all of it for 0 seconds.
double follow(double seconds, int64_t fps);

// Share [V] of the upper face in each vertex of a neutral face [V, 3]: 1 on brows, forehead and eyes, 0 below, smooth
// between; with a softness above 0 by the height alone. Failure (PACKAGE) where the package has no mask eyes_forehead.
std::vector<float> upper_share(const Package& package, const std::vector<float>& neutral, double level, double softness);

// Controls of one stream's offsets, frame by frame: the tongue's own motion is scaled first, then all motion, which then is
// smoothed; what is added at last is constant.
class ControlFilter {
public:
    // Of the neutral face [V, 3]. Failure (PACKAGE).
    ControlFilter(const RigControls& controls, const Package& package, const std::vector<float>& neutral);
    // Change the next frame's offsets [V, 3] in place. The first frame of a stream passes unsmoothed. `share` is a factor on
    // what is added, for a face that returns to rest.
    void apply(float* offsets, float share);
    void reset();
    // The smoothed offsets [V, 3] of the frame before; none without smoothing.
    const std::vector<float>& held() const { return held_; }
    bool started() const { return started_; }
    void restore(const std::vector<float>& held, bool started);

private:
    std::vector<float> gain_, follow_;  // per vertex; none where they change nothing
    std::vector<float> held_;
    bool started_ = false;
    std::optional<Tongue> tongue_;
    bool lifts_ = false;
    std::optional<LipOffset> lips_;
    std::optional<EyelidOffset> lids_;
};

}  // namespace emoface::runtime
