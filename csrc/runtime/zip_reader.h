// Zip archives, read strictly: what two programs could read differently is refused before a byte is inflated. The rules
// are those of emoface.archive; tests/format holds the cases.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace emoface::runtime {

using Bytes = std::vector<uint8_t>;

// Bytes that can be read at any place.
class Storage {
public:
    virtual ~Storage() = default;
    virtual uint64_t size() const = 0;
    // `count` bytes from `offset` on, which lie within size(); false where they cannot be read.
    virtual bool read(uint64_t offset, uint8_t* out, size_t count) const = 0;
};

// The bytes must live as long as this.
class MemoryStorage : public Storage {
public:
    MemoryStorage(const uint8_t* data, size_t size) : data_(data), size_(size) {}
    uint64_t size() const override { return size_; }
    bool read(uint64_t offset, uint8_t* out, size_t count) const override;

private:
    const uint8_t* data_;
    size_t size_;
};

// One member as the directory has it.
struct ZipEntry {
    std::string name;
    uint16_t flags = 0, method = 0;
    uint32_t crc = 0;
    uint64_t packed = 0, size = 0;
    uint64_t header = 0, data = 0;  // offsets of the local header and of the bytes
};

class ZipReader {
public:
    // Throws for what is wrong, said in a few words, and for a name that has no place here.
    using Refuse = std::function<void(const std::string&)>;
    ZipReader(const Storage& storage, Refuse refuse, const Refuse& check_name);
    // In the order of the directory.
    const std::vector<ZipEntry>& entries() const { return entries_; }
    const ZipEntry* find(const std::string& name) const;
    // Bytes of all members together, as the directory has them.
    uint64_t inflated() const;
    // The entry's bytes: exactly as many as the directory says, with its CRC.
    Bytes read(const ZipEntry& entry) const;

private:
    [[noreturn]] void damaged(const std::string& why) const;
    Bytes at(uint64_t offset, uint64_t count) const;
    void read_directory(const Refuse& check_name);
    void check_places();
    uint64_t check_local(const ZipEntry& entry) const;
    void widen(const std::string& name, const uint8_t* extra, size_t size, std::vector<uint64_t*> values) const;

    const Storage& storage_;
    Refuse refuse_;
    uint64_t start_ = 0;  // of the directory
    std::vector<ZipEntry> entries_;
    std::map<std::string, size_t> index_;
};

// A name of bytes of any kind as an error shows it: printable ASCII, 64 characters at most.
std::string shown_name(std::string_view name);

}  // namespace emoface::runtime
