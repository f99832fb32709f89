#include "speech.h"

#include <algorithm>
#include <cmath>

#include "controls.h"
#include "package.h"
#include "seeded.h"

namespace emoface::runtime {
namespace {

// As in Python.
constexpr size_t kProbes = 32;
constexpr double kSpeaks = 0.5, kRests = 0.2, kRiseS = 0.03, kFallS = 0.2, kUsual = 1.0, kUsualS = 1.5;
constexpr double kStressed = 1.1, kMostStress = 3.0, kMost = 1000.0;
constexpr int64_t kRestMs = 450, kMostFrames = int64_t(1) << 40;

}  // namespace

SpeechLayer::SpeechLayer(const Face& face, const std::vector<float>& vertices, int64_t fps)
    : fps_(fps), rise_(follow(kRiseS, fps)), fall_(follow(kFallS, fps)), learn_(follow(kUsualS, fps)) {
    const auto found = std::find(face.mask_names.begin(), face.mask_names.end(), "lips");
    if (found != face.mask_names.end()) {
        const std::vector<int32_t>& lips = face.masks[size_t(found - face.mask_names.begin())];
        for (size_t i = 0; i < kProbes && !lips.empty(); ++i) probes_.push_back(size_t(lips[i * lips.size() / kProbes]));
        for (size_t axis = 0; axis < 3 && !lips.empty(); ++axis) {
            const auto at = [&](int32_t vertex) { return double(vertices[3 * size_t(vertex) + axis]); };
            double least = at(lips[0]), most = least;
            for (const int32_t vertex : lips) {
                least = std::min(least, at(vertex));
                most = std::max(most, at(vertex));
            }
            width_ = std::max(width_, most - least);
        }
    }
    SpeechLayer::reset();
}

void SpeechLayer::apply(LayerFrame& frame) {
    frame.speech = {};
    if (!(width_ > 0)) return;
    frame.speech.stress = hear(moved(frame.offsets()));
    frame.speech.speaking = speaking_;
    frame.speech.since = since_;
}

double SpeechLayer::moved(const float* offsets) const {
    std::array<double, kProbes> squares;
    for (size_t i = 0; i < kProbes; ++i) {
        const double x = offsets[3 * probes_[i]], y = offsets[3 * probes_[i] + 1], z = offsets[3 * probes_[i] + 2];
        squares[i] = x * x + y * y + z * z;
    }
    for (size_t half = kProbes / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; ++i) squares[i] = squares[i] + squares[half + i];
    return std::min(std::sqrt(squares[0] / double(kProbes)) / width_, kMost);
}

double SpeechLayer::hear(double moved) {
    const double before = moved_before_, followed = speed_, usual = usual_;
    const double rise = started_ ? (moved - before) * double(fps_) : 0.0, speed = std::fabs(rise);
    const double fast = followed + (speed - followed) * (speed > followed ? rise_ : fall_);
    const bool speaking = fast > (speaking_ ? kRests : kSpeaks);
    since_ = speaking != speaking_ ? 0 : std::min(since_ + 1, kMostFrames);
    rested_ = std::min(rested_ + 1, kMostFrames);
    double stress = 0.0;
    if (speaking) {
        if (rise > kStressed * usual && rested_ * 1000 >= kRestMs * fps_) {
            stress = std::min(rise / usual, kMostStress) / kMostStress;
            rested_ = 0;
        }
        usual_ = float(std::max(usual + (fast - usual) * learn_, kRests));
    }
    started_ = true;
    speaking_ = speaking;
    moved_before_ = float(moved);
    speed_ = float(fast);
    return stress;
}

void SpeechLayer::reset() {
    moved_before_ = speed_ = 0.0f;
    usual_ = float(kUsual);
    started_ = speaking_ = false;
    since_ = rested_ = 0;
}

std::vector<LayerArray> SpeechLayer::state() const {
    const float lips[] = {moved_before_, speed_, usual_};
    const int64_t phrase[] = {started_, speaking_, since_, rested_};
    return {layer_array("lips", "float32", {3}, lips, 3), layer_array("phrase", "int64", {4}, phrase, 4)};
}

void SpeechLayer::restore(const std::vector<LayerArray>& state) {
    const std::vector<float> lips = state[0].values<float>();
    const std::vector<int64_t> phrase = state[1].values<int64_t>();
    const auto kept = [](float value) { return std::clamp(value, 0.0f, float(kMost * 1000)); };
    moved_before_ = kept(lips[0]);
    speed_ = kept(lips[1]);
    usual_ = std::max(kept(lips[2]), float(kRests));
    started_ = phrase[0] == 1;
    speaking_ = phrase[1] == 1;
    since_ = std::clamp<int64_t>(phrase[2], 0, kMostFrames);
    rested_ = std::clamp<int64_t>(phrase[3], 0, kMostFrames);
}

}  // namespace emoface::runtime
