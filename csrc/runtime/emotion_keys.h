// Emotions at times, blended from one key to the next: as emoface.rig.timeline, with the same sums in the same order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emoface.h"
#include "timeline.h"

namespace emoface::runtime {

struct EmotionBlending {
    double transition_s = 0.5, strength = 1.0, contrast = 1.0;
    double neutral_after = -1.0;  // below 0: never
    int64_t max_emotions = 6;
    std::string rest = "neutral";
};

// Checked; null is the defaults. Failure (ARGUMENT).
EmotionBlending read_blending(const emoface_emotion_blending* given);

// Weights of the condition "emotion" for the emotions of a key; none is `rest` alone. Failure (CONDITION).
std::vector<float> blended_emotion(const Manifest& manifest, const EmotionBlending& blending, const float* weights, int64_t count);

// A key as given: seconds, and weights of the condition "emotion".
using EmotionKey = Change;

// Keys from the caller's, checked. Failure (ARGUMENT, CONDITION).
std::vector<EmotionKey> read_keys(const Manifest& manifest, const EmotionBlending& blending, const emoface_emotion_key* keys,
                                  int64_t count);

// All changes of the condition "emotion" that the keys ask for, in order; `start` holds before.
std::vector<Change> emotion_changes(const std::vector<EmotionKey>& keys, const EmotionBlending& blending,
                                    const std::vector<float>& rest, const std::vector<float>& start, int64_t fps);

}  // namespace emoface::runtime
