// Calibration on a voice: the mean emotion feature of its neutral speech. As emoface.stream.calibrate, which says what
// counts as speech.
#pragma once

#include <cstdint>
#include <vector>

namespace emoface::runtime {

class Engine;
struct Manifest;

struct VoiceMean {
    std::vector<float> values;  // [D], as the condition speaker_mean
    int64_t features = 0;       // how many were averaged
};

// Length of speaker_mean; Failure (PACKAGE) where the model has no emotion stage that can be calibrated.
int64_t calibrated_size(const Manifest& manifest);

// Failure (AUDIO) for more sound than anybody needs; before a sample is read.
void require_length(int64_t rate, int64_t count);

// Mono samples at `rate`, no more than `require_length` allows; the stages run from a state of their own. Failure (PACKAGE, AUDIO, BACKEND).
VoiceMean mean_feature(const Manifest& manifest, Engine& engine, int64_t block_features, int64_t rate, const float* samples,
                       int64_t count);

}  // namespace emoface::runtime
