#include "timeline.h"

#include <algorithm>
#include <cstdio>

#include "failure.h"

namespace emoface::runtime {
namespace {

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

std::string number(float value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", double(value));
    return text;
}

// The first change that comes after a time.
template <class Iterator> Iterator after(Iterator first, Iterator last, double time) {
    return std::upper_bound(first, last, time, [](double moment, const Change& change) { return moment < change.at; });
}

}  // namespace

void Timeline::reset() {
    changes_.clear();
    for (const std::vector<float>& value : initial_) changes_.push_back({Change{kBeginning, value}});
}

void Timeline::set(size_t condition, std::vector<float> value, double at) {
    std::vector<Change>& changes = changes_[condition];
    changes.insert(after(changes.begin(), changes.end(), at), Change{at, std::move(value)});
}

const std::vector<float>& Timeline::value(size_t condition, double time) const {
    const std::vector<Change>& changes = changes_[condition];
    // The first value holds from minus infinity. Changes may be announced for hours to come.
    return (after(changes.begin() + 1, changes.end(), time) - 1)->value;
}

void Timeline::forget_before(double time) {
    for (std::vector<Change>& changes : changes_)
        changes.erase(changes.begin(), after(changes.begin() + 1, changes.end(), time) - 1);
}

size_t require_condition(const Manifest& manifest, const std::string& condition) {
    const int index = manifest.condition(condition);
    if (index >= 0) return size_t(index);
    std::vector<std::string> names;
    for (const ConditionSpec& spec : manifest.conditions) names.push_back(spec.name);
    fail(EMOFACE_ERROR_CONDITION, "condition '" + condition + "'", names.empty() ? "none" : "one of " + joined(names),
         "This package cannot be steered by it; leave it out.");
}

std::vector<float> named_condition(const Manifest& manifest, const std::string& condition, const std::string& name) {
    const ConditionSpec& spec = manifest.conditions[require_condition(manifest, condition)];
    if (name.empty()) return spec.initial;
    const std::vector<std::string> choices = manifest.choices(condition);
    for (size_t i = 0; i < choices.size(); ++i) {
        if (choices[i] != name) continue;
        std::vector<float> vector(spec.initial.size(), 0.0f);
        vector[i] = 1.0f;
        return vector;
    }
    fail(EMOFACE_ERROR_CONDITION, condition + " '" + name + "'",
         choices.empty() ? std::to_string(spec.initial.size()) + " values" : "one of " + joined(choices),
         "Names are case-sensitive; emoface_package_name() lists them.");
}

std::vector<float> weighted_condition(const Manifest& manifest, const std::string& condition, const float* values,
                                      int64_t count) {
    const ConditionSpec& spec = manifest.conditions[require_condition(manifest, condition)];
    if (values == nullptr && count == 0) return spec.initial;
    if (values == nullptr || count != int64_t(spec.initial.size()))
        fail(EMOFACE_ERROR_CONDITION, condition + " of " + std::to_string(count) + " values",
             std::to_string(spec.initial.size()) + " values", "Pass one weight per entry, in the manifest's order.");
    // Weights of named choices, or values without names: as stream/conditions.py. The comparison is false for NaN.
    const bool named = !manifest.choices(condition).empty();
    const float least = named ? 0.0f : -kFarthest, most = named ? kHeaviest : kFarthest;
    for (int64_t i = 0; i < count; ++i)
        if (!(values[i] >= least && values[i] <= most))
            fail(EMOFACE_ERROR_CONDITION, condition + "[" + std::to_string(i) + "] = " + number(values[i]),
                 "numbers from " + number(least) + " to " + number(most),
                 "Pass for example 0.5 for half of it, 1 for all.");
    return std::vector<float>(values, values + count);
}

}  // namespace emoface::runtime
