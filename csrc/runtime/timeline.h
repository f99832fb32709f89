// Conditions that change in time: from which moment of the audio each value holds.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "manifest.h"

namespace emoface::runtime {

// Largest weight of a named choice, the least being 0; largest size of a value of a condition without names.
constexpr float kHeaviest = 10.0f;
constexpr float kFarthest = 1e4f;
constexpr double kLatest = 1e9;  // seconds at which a change can be announced
constexpr double kBeginning = -std::numeric_limits<double>::infinity();

struct Change {
    double at = kBeginning;
    std::vector<float> value;
};

class Timeline {
public:
    // One value per condition, in the manifest's order.
    explicit Timeline(std::vector<std::vector<float>> initial) : initial_(std::move(initial)) { reset(); }
    void reset();
    // Let a value hold from `at` on; a later call wins where two name the same moment.
    void set(size_t condition, std::vector<float> value, double at);
    // The value that holds at a time; the same address until something changes.
    const std::vector<float>& value(size_t condition, double time) const;
    // Drop values that were replaced before a time.
    void forget_before(double time);
    const std::vector<std::vector<Change>>& changes() const { return changes_; }
    void restore(std::vector<std::vector<Change>> changes) { changes_ = std::move(changes); }

private:
    std::vector<std::vector<float>> initial_;
    std::vector<std::vector<Change>> changes_;
};

// A condition's vector from a name, "" for the default; Failure (CONDITION) listing the choices.
std::vector<float> named_condition(const Manifest& manifest, const std::string& condition, const std::string& name);
// The same from weights; none means the default. Failure (CONDITION) for a number out of range.
std::vector<float> weighted_condition(const Manifest& manifest, const std::string& condition, const float* values,
                                      int64_t count);
// The condition's index; Failure (CONDITION) where the package has none of this name.
size_t require_condition(const Manifest& manifest, const std::string& condition);

}  // namespace emoface::runtime
