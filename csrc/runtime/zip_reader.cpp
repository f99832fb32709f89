#include "zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "failure.h"

namespace emoface::runtime {
namespace {

constexpr uint64_t kEndSize = 22, kCentralSize = 46, kLocalSize = 30, kLongestComment = 65535;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint32_t kEncrypted = 1;
// Deflate cannot shrink by more.
constexpr uint64_t kBestRatio = 1032;
constexpr uint32_t kMostEntries = 4096;
constexpr uint32_t kZip64 = 0xFFFFFFFFu;

class Inflater {
public:
    Inflater() { ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
    ~Inflater() {
        if (ready_) inflateEnd(&stream_);
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // Whether `packed` inflates to exactly `size` bytes and ends there.
    bool run(const uint8_t* packed, uint64_t packed_size, uint8_t* out, uint64_t size) {
        if (!ready_) return false;
        constexpr uint64_t kMost = 1u << 30;
        int result = Z_OK;
        uint8_t beyond = 0;
        while (result == Z_OK) {
            const uint64_t in = std::min(packed_size, kMost), room = std::min(size, kMost);
            stream_.next_in = const_cast<uint8_t*>(packed);
            stream_.avail_in = uInt(in);
            // With no room left one more byte is offered, to see that nothing follows.
            stream_.next_out = room ? out : &beyond;
            stream_.avail_out = room ? uInt(room) : 1;
            result = inflate(&stream_, Z_NO_FLUSH);
            const uint64_t read = in - stream_.avail_in;
            const uint64_t written = (room ? room : 1) - stream_.avail_out;
            if (room == 0 && written != 0) return false;
            packed += read;
            packed_size -= read;
            out += room ? written : 0;
            size -= written;
            if (read == 0 && written == 0 && result == Z_OK) return false;
        }
        return result == Z_STREAM_END && size == 0;
    }

private:
    z_stream stream_{};
    bool ready_ = false;
};

}  // namespace

void ZipReader::damaged(const std::string& why) const {
    fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, what_ + ": " + why, "an undamaged zip file", kFetch);
}

uint32_t ZipReader::number(uint64_t offset, int bytes) const {
    if (offset > size_ || size_ - offset < uint64_t(bytes)) damaged("a header beyond the end of the file");
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint32_t(data_[offset + uint64_t(i)]) << (8 * i);
    return value;
}

ZipReader::ZipReader(const uint8_t* data, size_t size, std::string what)
    : data_(data), size_(size), what_(std::move(what)) {
    if (size_ < kEndSize) damaged("not a zip file");
    uint64_t end = size_ - kEndSize;
    const uint64_t lowest = end > kLongestComment ? end - kLongestComment : 0;
    while (number(end, 4) != 0x06054b50u || number(end + 20, 2) != size_ - end - kEndSize) {
        if (end == lowest) damaged("not a zip file");
        --end;
    }
    const uint32_t count = number(end + 10, 2), directory_size = number(end + 12, 4);
    if (number(end + 16, 4) == kZip64) damaged("a zip64 archive");
    if (count > kMostEntries) damaged(std::to_string(count) + " files, at most 4096");
    // What lies before the archive, for example a self-extractor, shifts all offsets alike.
    if (directory_size > end) damaged("a directory beyond the end of the file");
    const uint64_t start = end - directory_size;
    if (number(end + 16, 4) != start) damaged("a directory that is not where the end record says");
    uint64_t at = start;
    entries_.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
        if (number(at, 4) != 0x02014b50u) damaged("a broken directory");
        ZipEntry entry;
        entry.method = uint16_t(number(at + 10, 2));
        entry.crc = number(at + 16, 4);
        entry.packed = number(at + 20, 4);
        entry.size = number(at + 24, 4);
        entry.header = number(at + 42, 4);
        const uint64_t name = number(at + 28, 2), skipped = number(at + 30, 2) + uint64_t(number(at + 32, 2));
        if (end - at < kCentralSize + name + skipped || at + kCentralSize + name + skipped > end)
            damaged("a broken directory");
        entry.name.assign(reinterpret_cast<const char*>(data_ + at + kCentralSize), size_t(name));
        if (number(at + 8, 2) & kEncrypted) damaged(entry.name + " is encrypted");
        if (entry.method != kStored && entry.method != kDeflated) damaged(entry.name + ": an unknown compression");
        if (find(entry.name) != nullptr) damaged(entry.name + " twice");
        at += kCentralSize + name + skipped;
        entries_.push_back(std::move(entry));
    }
}

const ZipEntry* ZipReader::find(std::string_view name) const {
    for (const ZipEntry& entry : entries_)
        if (entry.name == name) return &entry;
    return nullptr;
}

Bytes ZipReader::read(const ZipEntry& entry) const {
    if (number(entry.header, 4) != 0x04034b50u) damaged(entry.name + ": a broken header");
    const uint64_t data = entry.header + kLocalSize + number(entry.header + 26, 2) + number(entry.header + 28, 2);
    if (data > size_ || size_ - data < entry.packed) damaged(entry.name + " is truncated");
    // Before anything is allocated: no entry may claim more than its bytes can hold.
    const uint64_t most = entry.method == kStored ? entry.packed : entry.packed * kBestRatio + 64;
    if (entry.size > most || (entry.method == kStored && entry.size != entry.packed))
        damaged(entry.name + ": a size that its bytes cannot have");
    Bytes bytes(size_t(entry.size));
    if (entry.method == kStored) {
        if (!bytes.empty()) std::memcpy(bytes.data(), data_ + data, bytes.size());
    } else if (!Inflater().run(data_ + data, entry.packed, bytes.data(), entry.size)) {
        damaged(entry.name + " does not inflate");
    }
    uLong crc = crc32(0, nullptr, 0);
    for (size_t at = 0; at < bytes.size();) {
        const size_t part = std::min<size_t>(bytes.size() - at, 1u << 30);
        crc = crc32(crc, bytes.data() + at, uInt(part));
        at += part;
    }
    if (uint32_t(crc) != entry.crc) damaged(entry.name + ": its CRC differs");
    return bytes;
}

}  // namespace emoface::runtime
