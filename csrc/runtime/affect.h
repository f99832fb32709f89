// Roles of one value per frame, beside the emotion's probabilities.
#pragma once

#include <cstddef>

namespace emoface::runtime {

constexpr const char* kAffect[] = {"arousal", "valence", "confidence"};
constexpr size_t kAffects = 3;

}  // namespace emoface::runtime
