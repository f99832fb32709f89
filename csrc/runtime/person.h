// Person files: weights of styles or persons, which belong to one model. As emoface/person.py.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace emoface::runtime {

struct Manifest;

constexpr int64_t kMostPersonBytes = int64_t(1) << 20;

// The vector of the condition "style" or "person" that a file's bytes say; Failure (CONDITION).
std::vector<float> person_condition(const Manifest& manifest, const std::string& condition, const uint8_t* json, int64_t size);

}  // namespace emoface::runtime
