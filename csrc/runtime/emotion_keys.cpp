#include "emotion_keys.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "failure.h"
#include "handles.h"

namespace emoface::runtime {
namespace {

constexpr int64_t kMostKeys = 10000;
constexpr double kLatestKey = 1e6, kSmallestSum = 1e-9;
constexpr double kNever = std::numeric_limits<double>::infinity();

double checked(double value, double low, double high, const char* name) {
    return checked_number(value, low, high, name, "emoface_emotion_blending_init()");
}

// The emotion while one key after another acts.
class Blend {
public:
    Blend(const EmotionBlending& blending, const std::vector<float>& start, int64_t fps)
        : whole_(blending.transition_s), fps_(double(fps)), from_(start), to_(start), said_(start) {}

    // Let a key, or the return to rest, begin at a time.
    void turn(double begin, const std::vector<float>& target) {
        from_ = at(begin);
        to_ = target;
        begin_ = begin;
        frame_ = std::max(frame_, first_frame(begin));
    }

    // The changes at frames before a time.
    void emit(double until, std::vector<Change>& changes) {
        for (double time = double(frame_) / fps_; time < until; time = double(frame_) / fps_) {
            std::vector<float> value = at(time);
            if (value != said_) {
                changes.push_back({time, value});
                said_ = std::move(value);
            }
            if (time - begin_ >= whole_) {
                if (std::isinf(until)) return;
                frame_ = std::max(frame_ + 1, first_frame(until));
            } else {
                ++frame_;
            }
        }
    }

    double begin() const { return begin_; }

private:
    std::vector<float> at(double time) const {
        const double since = time - begin_;
        if (since >= whole_) return to_;
        const double t = since / whole_, share = t * t * (3.0 - 2.0 * t);
        std::vector<float> value(from_.size());
        for (size_t i = 0; i < value.size(); ++i)
            value[i] = float(double(from_[i]) + (double(to_[i]) - double(from_[i])) * share);
        return value;
    }

    int64_t first_frame(double time) const {
        int64_t frame = std::max<int64_t>(int64_t(time * fps_) - 1, 0);
        while (double(frame) / fps_ < time) ++frame;
        return frame;
    }

    const double whole_, fps_;
    std::vector<float> from_, to_, said_;
    double begin_ = -kNever;
    int64_t frame_ = 0;
};

}  // namespace

EmotionBlending read_blending(const emoface_emotion_blending* given) {
    EmotionBlending blending;
    if (given == nullptr) return blending;
    require_struct(given, "emoface_emotion_blending", sizeof(emoface_emotion_blending));
    blending.transition_s = checked(given->transition_seconds, 0.0, 10.0, "transition_seconds");
    blending.strength = checked(given->strength, 0.0, 1.0, "strength");
    blending.contrast = checked(given->contrast, 0.3, 3.0, "contrast");
    blending.max_emotions = int64_t(checked(given->max_emotions, 1, 64, "max_emotions"));
    blending.neutral_after = given->neutral_after < 0 ? -1.0 : checked(given->neutral_after, 0.0, kLatestKey, "neutral_after");
    if (given->rest != nullptr) blending.rest = given->rest;
    return blending;
}

std::vector<float> blended_emotion(const Manifest& manifest, const EmotionBlending& blending, const float* weights, int64_t count) {
    // Names the choices where the package has no such emotion.
    const std::vector<float> rest = named_condition(manifest, "emotion", blending.rest);
    const std::vector<float> given =
        count == 0 ? std::vector<float>(rest.size(), 0.0f) : weighted_condition(manifest, "emotion", weights, count);
    std::vector<double> made(given.begin(), given.end());
    std::vector<size_t> order(made.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return made[a] > made[b]; });
    for (size_t i = size_t(blending.max_emotions); i < order.size(); ++i) made[order[i]] = 0.0;
    const auto sum = [&] { return std::accumulate(made.begin(), made.end(), 0.0); };
    const double total = sum();
    if (blending.contrast != 1.0 && total > kSmallestSum) {
        for (double& weight : made) weight = weight > 0 ? std::pow(weight / total, blending.contrast) : 0.0;
        const double sharpened = sum();
        for (double& weight : made) weight = weight / sharpened * total;
    }
    const double scale = blending.strength / std::max(total, 1.0);
    for (double& weight : made) weight = weight * scale;
    made[size_t(std::max_element(rest.begin(), rest.end()) - rest.begin())] += std::max(1.0 - total * scale, 0.0);
    return std::vector<float>(made.begin(), made.end());
}

std::vector<EmotionKey> read_keys(const Manifest& manifest, const EmotionBlending& blending, const emoface_emotion_key* keys,
                                  int64_t count) {
    if (count < 0 || count > kMostKeys)
        fail(EMOFACE_ERROR_ARGUMENT, "count = " + std::to_string(count), "0 to " + std::to_string(kMostKeys) + " keys",
             "Pass the number of keys.");
    if (count > 0) require_pointer(keys, "keys");
    std::vector<EmotionKey> read;
    for (int64_t i = 0; i < count; ++i) {
        const double earliest = read.empty() ? 0.0 : read.back().at;
        const std::string name = "keys[" + std::to_string(i) + "].time";
        if (!(keys[i].time >= earliest && keys[i].time <= kLatestKey))  // false for NaN
            fail(EMOFACE_ERROR_CONDITION, name + " = " + std::to_string(keys[i].time),
                 "seconds from " + std::to_string(earliest) + " to 1e6, in order", "Sort the keys by time.");
        read.push_back({keys[i].time, blended_emotion(manifest, blending, keys[i].weights, keys[i].count)});
    }
    return read;
}

std::vector<Change> emotion_changes(const std::vector<EmotionKey>& keys, const EmotionBlending& blending,
                                    const std::vector<float>& rest, const std::vector<float>& start, int64_t fps) {
    Blend blend(blending, start, fps);
    std::vector<Change> changes;
    bool resting = true;
    for (size_t next = 0;;) {
        double begin = next < keys.size() ? keys[next].at : kNever;
        const std::vector<float>* target = next < keys.size() ? &keys[next].value : &rest;
        const double back = blend.begin() + blending.neutral_after;
        const bool returns = !resting && blending.neutral_after >= 0 && back < begin;
        if (returns) {
            begin = back;
            target = &rest;
        }
        blend.emit(begin, changes);
        if (std::isinf(begin)) return changes;
        blend.turn(begin, *target);
        resting = returns;
        if (!returns) ++next;
    }
}

}  // namespace emoface::runtime
