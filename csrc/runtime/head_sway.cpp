#include "head_sway.h"

#include <algorithm>
#include <cmath>

#include "controls.h"
#include "counter_hash.h"
#include "failure.h"
#include "head_pose.h"
#include "package.h"

namespace emoface::runtime {
namespace {

// As in Python: degrees, milliseconds, seconds.
constexpr uint64_t kSalt = 0x73776179;
constexpr double kSway[3][2] = {{1.5, 0.4}, {2.2, 0.6}, {1.2, 0.3}};
constexpr int64_t kSwayMs[2] = {2600, 900};
constexpr double kQuiet = 0.25, kLivelierS = 0.8, kCalmerS = 2.5;
constexpr double kNod = 2.2, kNodSpread = 1.6, kNodS = 0.22;
constexpr double kLower = 0.8, kLowerSpread = 0.7, kRaised = -0.5, kLowerS = 0.9;
constexpr double kMost = 2.2, kFastest = 7.0, kSpring = 9.0, kRadians = 0.017453292519943295;

}  // namespace

void check_head(const Package& package) {
    if (!package.face().assets.pivots)
        fail(EMOFACE_ERROR_PACKAGE, "a face without pivots", "the point that the head turns about, which head sway needs",
             "Set head_sway = -1, or export the package with `pivots`.");
    if (package.manifest().axes != kAxes)
        fail(EMOFACE_ERROR_PACKAGE, "a face with the axes '" + package.manifest().axes + "'",
             "'" + std::string(kAxes) + "', which head sway needs", "Set head_sway = -1, or export the package with these axes.");
}

SwayLayer::SwayLayer(const Seeded& sway, const float* pivot, int64_t fps, bool posed)
    : sway_(sway),
      pivot_{pivot[0], pivot[1], pivot[2]},
      posed_(posed),
      livelier_(follow(kLivelierS, fps)),
      calmer_(follow(kCalmerS, fps)),
      nod_kept_(1.0 - follow(kNodS, fps)),
      lower_kept_(1.0 - follow(kLowerS, fps)),
      step_(1.0 / double(fps)),
      most_step_(kFastest / double(fps)),
      damping_(std::exp(-kSpring / double(fps))) {
    const uint64_t seed = mixed(mixed(sway.seed) + kSalt);
    nods_ = mixed(seed);
    for (uint64_t axis = 0; axis < 3; ++axis)
        for (uint64_t octave = 0; octave < 2; ++octave)
            noises_.emplace_back(mixed(seed + 1 + 2 * axis + octave), kSwayMs[octave], fps);
    SwayLayer::reset();
}

void SwayLayer::apply(LayerFrame& frame) {
    follow_speech(frame);
    double turns[3];
    for (size_t axis = 0; axis < 3; ++axis)
        turns[axis] = double(lively_) * (kSway[axis][0] * noises_[2 * axis].at(frame.index) +
                                 kSway[axis][1] * noises_[2 * axis + 1].at(frame.index));
    turns[0] += double(pitch_);
    for (double& turn : turns) turn = turn * (sway_.strength * kRadians) * double(frame.share);
    turned_about(turns, pivot_.data(), posed_, frame.head_rotation, frame.head_translation);
}

void SwayLayer::follow_speech(const LayerFrame& frame) {
    const Speech& speech = frame.speech;
    const uint64_t random = mixed(nods_ ^ uint64_t(frame.index));
    double push = double(push_) * nod_kept_, lower = double(lower_) * lower_kept_;
    if (speech.stress > 0) push += (kNod + kNodSpread * part(random, 0)) * speech.stress;
    if (speech.since == 0) lower = speech.speaking ? kRaised : kLower + kLowerSpread * part(random, 16);
    const double aim = std::min(std::max(push + lower, -kMost), kMost);
    const double before = pitch_, speed = speed_, lively = lively_;
    const double apart = before - aim, pull = speed + kSpring * apart;
    const double pitch = aim + (apart + pull * step_) * damping_;
    push_ = float(push);
    lower_ = float(lower);
    pitch_ = float(before + std::min(std::max(pitch - before, -most_step_), most_step_));
    speed_ = float((speed - kSpring * pull * step_) * damping_);
    lively_ = float(lively + ((speech.speaking ? 1.0 : kQuiet) - lively) * (speech.speaking ? livelier_ : calmer_));
}

void SwayLayer::reset() {
    push_ = lower_ = pitch_ = speed_ = 0.0f;
    lively_ = float(kQuiet);
}

std::vector<LayerArray> SwayLayer::state() const {
    const float nod[] = {push_, lower_, pitch_, speed_, lively_};
    return {layer_array("nod", "float32", {5}, nod, 5)};
}

void SwayLayer::restore(const std::vector<LayerArray>& state) {
    const std::vector<float> nod = state[0].values<float>();
    push_ = std::clamp(nod[0], -10.0f, 10.0f);
    lower_ = std::clamp(nod[1], -10.0f, 10.0f);
    pitch_ = std::clamp(nod[2], -10.0f, 10.0f);
    speed_ = std::clamp(nod[3], -100.0f, 100.0f);
    lively_ = std::clamp(nod[4], 0.0f, 1.0f);
}

}  // namespace emoface::runtime
