// Zip archives in memory: stored and deflated entries, every length checked against the bytes that are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emoface::runtime {

using Bytes = std::vector<uint8_t>;

struct ZipEntry {
    std::string name;
    uint64_t size = 0;
    uint64_t packed = 0;
    uint64_t header = 0;
    uint32_t crc = 0;
    uint16_t method = 0;
};

class ZipReader {
public:
    // `what` names the archive in errors; the bytes must live as long as the reader. Throws Failure
    // (PACKAGE_INTEGRITY) for what is no zip.
    ZipReader(const uint8_t* data, size_t size, std::string what);
    const std::vector<ZipEntry>& entries() const { return entries_; }
    const ZipEntry* find(std::string_view name) const;
    // The entry's bytes: sizes and CRC are compared.
    Bytes read(const ZipEntry& entry) const;

private:
    [[noreturn]] void damaged(const std::string& why) const;
    uint32_t number(uint64_t offset, int bytes) const;
    const uint8_t* data_;
    uint64_t size_;
    std::string what_;
    std::vector<ZipEntry> entries_;
};

}  // namespace emoface::runtime
