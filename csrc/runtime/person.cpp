#include "person.h"

#include <algorithm>

#include "failure.h"
#include "manifest.h"
#include "strict_json.h"
#include "timeline.h"

namespace emoface::runtime {
namespace {

constexpr const char* kRemedy = "Make it again, for this model.";

[[noreturn]] void fault(const std::string& got, const std::string& expected, const std::string& remedy = kRemedy) {
    fail(EMOFACE_ERROR_CONDITION, "the person: " + got, expected, remedy);
}

const Json& field(const Json& data, const char* key, const std::string& expected) {
    const auto found = data.find(key);
    if (found == data.end()) fault(std::string(key) + " = nothing (the field is missing)", expected);
    return *found;
}

// The object, its fields there and none besides.
Json parsed(const uint8_t* text, int64_t size) {
    if (size > kMostPersonBytes)
        fault(std::to_string(size) + " bytes", "at most " + std::to_string(kMostPersonBytes));
    Json data;
    try {
        data = parse_object(text, size_t(size), 2);
    } catch (const JsonFault& error) {
        fault(std::string("JSON = ") + error.what(), "a JSON object in UTF-8 (RFC 8259) without a key twice");
    }
    const Json& version = field(data, "emoface_person", "1");
    if (!version.is_number_integer() || version != 1) fault("emoface_person = " + shown(version), "1", "Update the library.");
    field(data, "name", "a name");
    field(data, "model_sha256", "a SHA-256");
    field(data, "weights", "weights by name");
    for (const auto& item : data.items())
        if (item.key() != "emoface_person" && item.key() != "name" && item.key() != "model_sha256" && item.key() != "weights")
            fault(shown_key(item.key()) + " = an unknown field", "only emoface_person, name, model_sha256, weights");
    return data;
}

bool is_sha256(const Json& value) {
    if (!value.is_string()) return false;
    const std::string& text = value.get_ref<const std::string&>();
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::vector<float> person_condition(const Manifest& manifest, const std::string& condition, const uint8_t* json, int64_t size) {
    if (condition != "style" && condition != "person")
        fail(EMOFACE_ERROR_CONDITION, "a person for the condition '" + condition + "'", "style or person",
             "Other conditions take a name or weights.");
    const Json data = parsed(json, size);
    const Json &name = data["name"], &model = data["model_sha256"], &weights = data["weights"];
    if (!name.is_string() || !plain_text(name.get_ref<const std::string&>()))
        fault("name = " + shown(name), "text of 1 to 1000 characters, no control characters");
    if (!is_sha256(model)) fault("model_sha256 = " + shown(model), "64 lower-case hexadecimal digits");
    if (!weights.is_object() || weights.empty()) fault("weights = " + shown(weights), "an object of names and at least one weight");
    for (const auto& item : weights.items()) {
        if (!plain_text(item.key())) fault("weights." + shown_key(item.key()), "a name of 1 to 1000 characters, no control characters");
        const double weight = item.value().is_number() ? item.value().get<double>() : -1.0;
        if (!(weight >= 0.0 && weight <= double(kHeaviest)))
            fault("weights." + shown_key(item.key()) + " = " + shown(item.value()), "numbers from 0 to 10",
                  "Pass for example 0.5 for half of it, 1 for all.");
    }
    const ConditionSpec& spec = manifest.conditions[require_condition(manifest, condition)];
    const std::string& own = manifest.model_sha256;
    if (own.empty())
        fault("a package without model_sha256", "one that names its model: of format 2",
              "Export the model again in format 2, or pass the weights themselves.");
    if (model != own)
        fault("model_sha256 = " + model.get<std::string>().substr(0, 12) + "..., another model",
              own.substr(0, 12) + "..., of package '" + manifest.name + "'",
              "Take the package of the model that the person was made for, or make the person for this one.");
    const std::vector<std::string> choices = manifest.choices(condition);
    std::vector<float> vector(spec.initial.size(), 0.0f);
    for (const auto& item : weights.items()) {
        const auto found = std::find(choices.begin(), choices.end(), item.key());
        if (found == choices.end())
            fault("weights." + shown_key(item.key()) + " = no " + condition + " of the package",
                  choices.empty() ? "a package with names for it" : "one of its " + std::to_string(choices.size()) + " names",
                  "Names are case-sensitive; emoface_package_name() lists them.");
        vector[size_t(found - choices.begin())] = float(item.value().get<double>());
    }
    return vector;
}

}  // namespace emoface::runtime
