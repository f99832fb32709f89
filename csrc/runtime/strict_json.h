// JSON that means one thing, whoever reads it: the same texts as emoface.strict_json accepts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace emoface::runtime {

using Json = nlohmann::ordered_json;

struct JsonFault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The JSON object in UTF-8 text, of at most `deepest` levels. JsonFault where there is none; for a key twice in one
// object, NaN, a number that a double cannot hold, half a surrogate pair, a byte order mark.
Json parse_object(const uint8_t* text, size_t size, int deepest);

// A value as an error shows it: short, in ASCII.
std::string shown(const Json& value);

}  // namespace emoface::runtime
