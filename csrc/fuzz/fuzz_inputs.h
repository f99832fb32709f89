// Inputs that come through: packages of a seed's files with one replaced and its hash put right, archives with right
// checksums, and mutations that know JSON and lists of parts.
//
//   EMOFACE_FUZZ_FILES  a folder with the files of a package, of which the harnesses make others
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "emoface.h"
#include "sha256.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

using Input = std::vector<uint8_t>;
using Files = std::map<std::string, Input>;
using Random = std::minstd_rand;

inline void require(bool condition) {
    if (!condition) __builtin_trap();
}

inline const Files& seed_files() {
    static const Files files = [] {
        Files found;
        const char* folder = std::getenv("EMOFACE_FUZZ_FILES");
        for (const auto& entry : std::filesystem::directory_iterator(folder ? folder : ".")) {
            std::ifstream stream(entry.path(), std::ios::binary);
            found[entry.path().filename().string()] = Input(std::istreambuf_iterator<char>(stream), {});
        }
        if (found.count("manifest.json") == 0) {
            std::fprintf(stderr, "EMOFACE_FUZZ_FILES names no folder with a package's files\n");
            std::exit(2);
        }
        return found;
    }();
    return files;
}

inline void put(Input& out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(uint8_t(value >> (8 * i)));
}

inline uint64_t get(const Input& data, size_t at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes && at + size_t(i) < data.size(); ++i) value |= uint64_t(data[at + size_t(i)]) << (8 * i);
    return value;
}

inline void set(Input& data, size_t at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes && at + size_t(i) < data.size(); ++i) data[at + size_t(i)] = uint8_t(value >> (8 * i));
}

// A zip of stored members, in order; a name may come twice.
inline Input stored_zip(const std::vector<std::pair<std::string, Input>>& members) {
    Input zip, directory;
    for (const auto& member : members) {
        const std::string& name = member.first;
        const Input& data = member.second;
        const uint64_t crc = crc32(crc32(0, nullptr, 0), data.data(), uInt(data.size())), header = zip.size();
        const auto common = [&](Input& out) {
            put(out, 20, 2);
            put(out, 0, 2);
            put(out, 0, 2);
            put(out, 0x00210000, 4);
            put(out, crc, 4);
            put(out, data.size(), 4);
            put(out, data.size(), 4);
            put(out, name.size(), 2);
            put(out, 0, 2);
        };
        put(zip, 0x04034b50, 4);
        common(zip);
        zip.insert(zip.end(), name.begin(), name.end());
        zip.insert(zip.end(), data.begin(), data.end());
        put(directory, 0x02014b50, 4);
        put(directory, 20, 2);
        common(directory);
        put(directory, 0, 2);
        put(directory, 0, 2);
        put(directory, 0, 2);
        put(directory, 0, 4);
        put(directory, header, 4);
        directory.insert(directory.end(), name.begin(), name.end());
    }
    const size_t start = zip.size();
    zip.insert(zip.end(), directory.begin(), directory.end());
    put(zip, 0x06054b50, 4);
    put(zip, 0, 4);
    put(zip, members.size(), 2);
    put(zip, members.size(), 2);
    put(zip, directory.size(), 4);
    put(zip, start, 4);
    put(zip, 0, 2);
    return zip;
}

// The seed package with one file replaced, and what the manifest says of it put right.
inline Input package_with(const std::string& name, const uint8_t* data, size_t size) {
    Files files = seed_files();
    files[name] = Input(data, data + size);
    if (name != "manifest.json") {
        static const auto manifest = nlohmann::ordered_json::parse(seed_files().at("manifest.json"));
        nlohmann::ordered_json changed = manifest;
        std::string hex;
        for (const uint8_t byte : emoface::runtime::sha256(data, size)) {
            hex += "0123456789abcdef"[byte >> 4];
            hex += "0123456789abcdef"[byte & 15];
        }
        changed["files"][name] = {{"sha256", hex}, {"bytes", size}};
        const std::string text = changed.dump();
        files["manifest.json"] = Input(text.begin(), text.end());
    }
    return stored_zip({files.begin(), files.end()});
}

// Null where it is refused, with a status and a reason.
inline emoface_package* open_package(const Input& bytes) {
    emoface_package* package = nullptr;
    const emoface_status status = emoface_package_open_memory(bytes.data(), int64_t(bytes.size()), &package);
    require((status == EMOFACE_OK) == (package != nullptr) && status != EMOFACE_ERROR_INTERNAL);
    require(status == EMOFACE_OK || std::strncmp(emoface_last_error(), "got ", 4) == 0);
    return package;
}

// A mutator's result, cut where there is no room.
inline size_t give(const Input& made, uint8_t* out, size_t most) {
    const size_t size = std::min(made.size(), most);
    std::copy_n(made.begin(), size, out);
    return size;
}

// Parts of an input: a length of 4 bytes before each, which may promise more than there is.
inline std::vector<Input> parts_of(const uint8_t* data, size_t size) {
    std::vector<Input> parts;
    const Input whole(data, data + size);
    for (size_t at = 0; at + 4 <= size && parts.size() < 64;) {
        const size_t length = std::min<size_t>(get(whole, at, 4), size - at - 4);
        parts.emplace_back(data + at + 4, data + at + 4 + length);
        at += 4 + length;
    }
    return parts;
}

inline size_t join_parts(const std::vector<Input>& parts, uint8_t* out, size_t most) {
    Input joined;
    for (const Input& part : parts) {
        put(joined, part.size(), 4);
        joined.insert(joined.end(), part.begin(), part.end());
    }
    return give(joined, out, most);
}

inline void mutate_bytes(Input& data, size_t more = 256) {
    const size_t size = data.size();
    data.resize(size + more);
    data.resize(LLVMFuzzerMutate(data.data(), size, data.size()));
}

// One part mutated, repeated, left out, or moved.
inline size_t mutate_parts(uint8_t* data, size_t size, size_t most, unsigned seed) {
    Random random(seed);
    std::vector<Input> parts = parts_of(data, size);
    if (parts.empty()) return LLVMFuzzerMutate(data, size, most);
    const size_t place = random() % parts.size(), other = random() % parts.size();
    switch (random() % 10) {
        case 0: parts.insert(parts.begin() + std::ptrdiff_t(other), parts[place]); break;
        case 1: parts.erase(parts.begin() + std::ptrdiff_t(place)); break;
        case 2: std::swap(parts[place], parts[other]); break;
        default: mutate_bytes(parts[place]);
    }
    return join_parts(parts, data, most);
}

// Where a value of JSON text begins and ends: strings, numbers and words, keys included.
inline std::vector<std::pair<size_t, size_t>> json_scalars(const Input& text) {
    std::vector<std::pair<size_t, size_t>> found;
    for (size_t at = 0; at < text.size();) {
        const size_t begin = at;
        if (text[at] == '"') {
            for (++at; at < text.size() && text[at] != '"'; ++at) at += text[at] == '\\';
            at = std::min(at + 1, text.size());
        } else {
            while (at < text.size() && (std::isalnum(text[at]) || std::strchr("+-.", text[at]))) {
                if (text[at] == 0) break;
                ++at;
            }
            if (at == begin) {
                ++at;
                continue;
            }
        }
        found.emplace_back(begin, at);
    }
    return found;
}

// A value replaced by another of the text or an odd one, or bytes of it.
inline void mutate_json(Input& text, Random& random) {
    static const char* const odd[] = {
        "0", "1", "-1", "2", "3", "1.5", "1e39", "-0", "1e300", "1e999", "9223372036854775807", "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "4294967296", "4398046511104", "1000000", "1048577", "true", "false",
        "null", "\"\"", "\"x\"", "\"n\"", "\"8*n\"", "\"n+1\"", "\"320*n+80\"", "\"B\"", "\"audio\"", "\"float16\"",
        "\"int64\"", "\"block\"", "\"frame\"", "\"frames\"", "\"clip\"", "\"fp16\"", "\"..\"", "\"\\u0000\"", "\"\\ud800\"",
        "[]", "{}", "[0]", "[[]]", "{\"x\": 1}", "[0, 0]", "[1, 2]", "[1, 1, 1]"};
    const auto values = json_scalars(text);
    const size_t what = random() % 8;
    if (values.empty() || what == 0) return mutate_bytes(text);
    const auto [begin, end] = values[random() % values.size()];
    Input replacement;
    if (what < 4) {
        const char* chosen = odd[random() % std::size(odd)];
        replacement.assign(chosen, chosen + std::strlen(chosen));
    } else if (what < 6) {
        const auto [first, last] = values[random() % values.size()];
        replacement.assign(text.begin() + std::ptrdiff_t(first), text.begin() + std::ptrdiff_t(last));
    } else if (what == 6) {
        replacement.assign(text.begin() + std::ptrdiff_t(begin), text.begin() + std::ptrdiff_t(end));
        mutate_bytes(replacement, 16);
    } else {
        // Twice, with a comma: another entry of a list, or a broken text.
        replacement.assign(text.begin() + std::ptrdiff_t(begin), text.begin() + std::ptrdiff_t(end));
        replacement.insert(replacement.end(), {',', ' '});
        replacement.insert(replacement.end(), text.begin() + std::ptrdiff_t(begin), text.begin() + std::ptrdiff_t(end));
    }
    text.erase(text.begin() + std::ptrdiff_t(begin), text.begin() + std::ptrdiff_t(end));
    text.insert(text.begin() + std::ptrdiff_t(begin), replacement.begin(), replacement.end());
}
