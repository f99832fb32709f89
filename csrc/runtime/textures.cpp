#include "textures.h"

#include <zlib.h>

#include <algorithm>
#include <set>

#include "failure.h"
#include "package_files.h"

namespace emoface::runtime {
namespace {

constexpr size_t kMostBytes = size_t(16) << 20, kAround = 12;
constexpr uint32_t kMostPixels = 4096;
const std::string kSignature = "\x89PNG\r\n\x1a\n";

uint32_t number(const uint8_t* bytes) {
    return uint32_t(bytes[0]) << 24 | uint32_t(bytes[1]) << 16 | uint32_t(bytes[2]) << 8 | uint32_t(bytes[3]);
}

bool letters(const std::string& kind) {
    for (const char c : kind)
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
    return true;
}

std::string header_fault(const uint8_t* content, size_t size) {
    if (size != 13) return "no header";
    const uint32_t width = number(content), height = number(content + 4);
    if (width < 1 || width > kMostPixels || height < 1 || height > kMostPixels)
        return std::to_string(width) + " x " + std::to_string(height) + " pixels";
    const int depth = content[8], colours = content[9], packing = content[10], filtering = content[11], interlaced = content[12];
    if (depth != 8 || packing != 0 || filtering != 0 || interlaced != 0 || (colours != 2 && colours != 6))
        return "bit depth " + std::to_string(depth) + ", colour type " + std::to_string(colours) + ", compression " +
               std::to_string(packing) + ", filter " + std::to_string(filtering) + ", interlace " + std::to_string(interlaced);
    return {};
}

// What is wrong with a chunk in its place: behind `before`, after the kinds that were seen.
std::string chunk_fault(const std::string& kind, const uint8_t* content, size_t size, const std::string& before,
                        const std::set<std::string>& seen) {
    const bool data = seen.count("IDAT") != 0;
    if (kind == "IHDR" && before.empty()) return header_fault(content, size);
    if (before.empty()) return "no header";
    if (kind == "IDAT" && (before == "IDAT" || !data)) return {};
    if (kind == "IEND") return data && size == 0 ? "" : "no image data";
    // Those with a small first letter need not be understood.
    return kind[0] <= 'Z' ? "chunk " + kind : "";
}

std::string texture_fault(const Bytes& data) {
    if (data.size() > kMostBytes) return std::to_string(data.size()) + " bytes";
    if (data.size() < kSignature.size() || !std::equal(kSignature.begin(), kSignature.end(), data.begin(), [](char a, uint8_t b) {
            return uint8_t(a) == b;
        }))
        return "no PNG image";
    std::string before;
    std::set<std::string> seen;
    for (size_t at = kSignature.size(); at < data.size();) {
        if (data.size() - at < kAround) return "a broken chunk";
        const uint8_t* chunk = data.data() + at;
        const size_t size = number(chunk);
        const std::string kind(reinterpret_cast<const char*>(chunk + 4), 4);
        if (size > data.size() - at - kAround || !letters(kind)) return "a broken chunk";
        if (uint32_t(crc32(0, chunk + 4, uInt(size + 4))) != number(chunk + 8 + size)) return "chunk " + kind + " with a wrong CRC";
        if (std::string why = chunk_fault(kind, chunk + 8, size, before, seen); !why.empty()) return why;
        at += kAround + size;
        if (kind == "IEND") return at < data.size() ? "bytes behind its end" : "";
        seen.insert(kind);
        before = kind;
    }
    return "no end";
}

}  // namespace

void check_textures(const Manifest& manifest, const std::map<std::string, Bytes>& files) {
    for (const auto& [name, file] : manifest.textures)
        if (const std::string why = texture_fault(files.at(file)); !why.empty())
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, file + ": " + why,
                 "a PNG image of 8 bits RGB or RGBA, 1 to 4096 pixels each way, at most 16777216 bytes", kFetch);
}

}  // namespace emoface::runtime
