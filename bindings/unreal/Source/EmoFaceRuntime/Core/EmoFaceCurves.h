// Names of blendshapes as engines and characters write them. Standard C++17, no engine.
#pragma once

#include <cctype>
#include <string>
#include <unordered_map>
#include <vector>

namespace emoface {

// The curve of Live Link for a blendshape of ARKit: "jawOpen" is "JawOpen".
inline std::string live_link_name(std::string name) {
    if (!name.empty()) name[0] = char(std::toupper(static_cast<unsigned char>(name[0])));
    return name;
}

// What is compared: without case, prefix and separators; "Head.eyeBlink_L" is "eyeblinkleft".
inline std::string curve_key(const std::string& name) {
    const size_t last = name.find_last_of(".:|");
    const size_t start = last == std::string::npos ? 0 : last + 1;
    const auto plain = [&](size_t i) { return std::isalnum(static_cast<unsigned char>(name[i])) != 0; };
    std::string key;
    for (size_t i = start; i < name.size(); ++i)
        if (plain(i)) key += char(std::tolower(static_cast<unsigned char>(name[i])));
    if (name.size() - start > 2 && !plain(name.size() - 2) && key.size() > 1) {
        if (key.back() == 'l') key += "eft";
        else if (key.back() == 'r') key += "ight";
    }
    return key;
}

// For every name of a package the index of the character's target of that name, -1 where it has none.
inline std::vector<int> map_curves(const std::vector<std::string>& names, const std::vector<std::string>& targets) {
    std::unordered_map<std::string, int> found;
    for (size_t i = 0; i < targets.size(); ++i) found.emplace(curve_key(targets[i]), int(i));
    std::vector<int> map;
    for (const std::string& name : names) {
        const auto at = found.find(curve_key(name));
        map.push_back(at == found.end() ? -1 : at->second);
    }
    return map;
}

}  // namespace emoface
