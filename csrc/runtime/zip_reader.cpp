#include "zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace emoface::runtime {
namespace {

constexpr uint64_t kEnd = 22, kEnd64 = 56, kLocator = 20, kCentral = 46, kLocal = 30;
constexpr uint64_t kMostMembers = 4096, kMostDirectory = uint64_t(2) << 20, kPiece = uint64_t(1) << 20;
// Deflate cannot shrink by more.
constexpr uint64_t kBestRatio = 1032;
constexpr uint16_t kStored = 0, kDeflated = 8;
// Of the flags: how hard deflate tried, sizes behind the data, names in UTF-8.
constexpr uint16_t kEncrypted = 0x2041, kDescriptor = 0x0008, kAllowed = 0x080E;
constexpr uint64_t kSaturated = 0xFFFFFFFFu, kSaturated16 = 0xFFFFu;

uint64_t number(const uint8_t* at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t(at[i]) << (8 * i);
    return value;
}

std::string packing(uint16_t method) {
    switch (method) {
        case 9: return "deflate64";
        case 12: return "bzip2";
        case 14: return "LZMA";
        case 93: return "Zstandard";
        case 95: return "XZ";
        default: return "compression method " + std::to_string(method);
    }
}

std::string hexadecimal(uint16_t value) {
    std::string text;
    do text.insert(text.begin(), "0123456789abcdef"[value & 15]);
    while ((value = uint16_t(value >> 4)) != 0);
    return "0x" + text;
}

// Whether so many bytes may lie between a member and what follows: none, or a data descriptor with or without signature
// and 64-bit sizes.
bool is_gap(uint64_t bytes, bool descriptor) {
    return descriptor ? bytes == 12 || bytes == 16 || bytes == 20 || bytes == 24 : bytes == 0;
}

class Inflater {
public:
    Inflater() { ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
    ~Inflater() {
        if (ready_) inflateEnd(&stream_);
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // One piece of the packed bytes; false where they are no deflate stream or are more than `out` has room for.
    bool feed(const Bytes& packed, Bytes& out, uint64_t& written) {
        stream_.next_in = const_cast<uint8_t*>(packed.data());
        stream_.avail_in = uInt(packed.size());
        while (ready_ && !ended_) {
            const uint64_t room = std::min<uint64_t>(out.size() - written, 1u << 30);
            // With no room left one more byte is offered, to see that nothing follows.
            uint8_t beyond = 0;
            stream_.next_out = room ? out.data() + written : &beyond;
            stream_.avail_out = room ? uInt(room) : 1;
            const int result = inflate(&stream_, Z_NO_FLUSH);
            const uint64_t made = (room ? room : 1) - stream_.avail_out;
            if (room == 0 && made != 0) return false;
            written += made;
            ended_ = result == Z_STREAM_END;
            if (result == Z_BUF_ERROR || (result == Z_OK && stream_.avail_in == 0 && stream_.avail_out != 0)) return true;
            if (result != Z_OK && !ended_) return false;
        }
        return ready_ && stream_.avail_in == 0;
    }
    bool ended() const { return ended_; }

private:
    z_stream stream_{};
    bool ready_ = false, ended_ = false;
};

}  // namespace

std::string shown_name(std::string_view name) {
    std::string text(name.substr(0, 64));
    for (char& letter : text)
        if (letter < 32 || letter > 126) letter = '?';
    return name.size() <= 64 ? text : text + "...";
}

bool MemoryStorage::read(uint64_t offset, uint8_t* out, size_t count) const {
    if (offset > size_ || count > size_ - offset) return false;
    if (count != 0) std::memcpy(out, data_ + offset, count);
    return true;
}

void ZipReader::damaged(const std::string& why) const {
    refuse_(why);
    throw std::logic_error("a refusal that throws nothing");
}

Bytes ZipReader::at(uint64_t offset, uint64_t count) const {
    if (offset > storage_.size() || count > storage_.size() - offset) damaged("a header beyond the end of the file");
    Bytes bytes(static_cast<size_t>(count));
    if (!storage_.read(offset, bytes.data(), bytes.size())) damaged("a file that became shorter");
    return bytes;
}

ZipReader::ZipReader(const Storage& storage, Refuse refuse, const Refuse& check_name)
    : storage_(storage), refuse_(std::move(refuse)) {
    read_directory(check_name);
    check_places();
}

void ZipReader::read_directory(const Refuse& check_name) {
    if (storage_.size() < kEnd) damaged("not a zip file");
    uint64_t end = storage_.size() - kEnd;
    const Bytes last = at(end, kEnd);
    if (number(last.data(), 4) != 0x06054b50u || number(last.data() + 20, 2) != 0) {
        const uint64_t first = number(at(0, 4).data(), 4);
        damaged(first == 0x04034b50u || first == 0x06054b50u ? "no end record at its end" : "not a zip file");
    }
    uint64_t disk = number(last.data() + 4, 2), start_disk = number(last.data() + 6, 2);
    uint64_t here = number(last.data() + 8, 2), count = number(last.data() + 10, 2);
    uint64_t length = number(last.data() + 12, 4);
    start_ = number(last.data() + 16, 4);
    if (count == kSaturated16 || here == kSaturated16 || length == kSaturated || start_ == kSaturated) {
        const std::string wrong = "a broken zip64 end record";
        if (end < kLocator + kEnd64) damaged(wrong);
        const uint64_t place = end - kLocator - kEnd64;
        const Bytes record = at(place, kEnd64), locator = at(end - kLocator, kLocator);
        if (number(locator.data(), 4) != 0x07064b50u || number(locator.data() + 4, 4) != 0 ||
            number(locator.data() + 8, 8) != place || number(locator.data() + 16, 4) != 1)
            damaged(wrong);
        if (number(record.data(), 4) != 0x06064b50u || number(record.data() + 4, 8) != kEnd64 - 12 ||
            number(record.data() + 16, 4) != 0 || number(record.data() + 20, 4) != 0)
            damaged(wrong);
        uint64_t* const values[] = {&here, &count, &length, &start_};
        for (size_t i = 0; i < 4; ++i) {
            const uint64_t full = number(record.data() + 24 + 8 * i, 8);
            if (*values[i] != (i < 2 ? kSaturated16 : kSaturated) && *values[i] != full) damaged(wrong);
            *values[i] = full;
        }
        end = place;
    }
    if (disk != 0 || start_disk != 0 || here != count) damaged("an archive of several disks");
    if (count > kMostMembers) damaged(std::to_string(count) + " members, at most " + std::to_string(kMostMembers));
    if (length > kMostDirectory)
        damaged("a directory of " + std::to_string(length) + " bytes, at most " + std::to_string(kMostDirectory));
    if (start_ > end || length != end - start_) damaged("a directory that is not where the end record says");
    const Bytes directory = at(start_, length);
    size_t place = 0;
    for (uint64_t i = 0; i < count; ++i) {
        const uint8_t* const record = directory.data() + place;
        if (directory.size() - place < kCentral || number(record, 4) != 0x02014b50u) damaged("a broken directory");
        const size_t name = size_t(number(record + 28, 2)), extra = size_t(number(record + 30, 2));
        const size_t whole = kCentral + name + extra + size_t(number(record + 32, 2));
        if (directory.size() - place < whole) damaged("a broken directory");
        ZipEntry entry;
        entry.name.assign(reinterpret_cast<const char*>(record + kCentral), name);
        check_name(entry.name);
        entry.flags = uint16_t(number(record + 8, 2));
        entry.method = uint16_t(number(record + 10, 2));
        entry.crc = uint32_t(number(record + 16, 4));
        entry.packed = number(record + 20, 4);
        entry.size = number(record + 24, 4);
        entry.header = number(record + 42, 4);
        widen(entry.name, record + kCentral + name, extra, {&entry.size, &entry.packed, &entry.header});
        const std::string shown = shown_name(entry.name);
        if (entry.flags & kEncrypted) damaged(shown + ": encrypted");
        if (entry.method != kStored && entry.method != kDeflated)
            damaged(shown + ": packed with " + packing(entry.method) + ": only stored and deflated members are read");
        if ((entry.flags & ~kAllowed) != 0 || number(record + 34, 2) != 0) damaged(shown + ": flags " + hexadecimal(entry.flags));
        // Before anything is allocated: no entry may claim more than its bytes can hold.
        const bool plausible = entry.method == kStored ? entry.size == entry.packed
                                                       : entry.size / kBestRatio + (entry.size % kBestRatio != 0) <= entry.packed;
        if (!plausible) damaged(shown + ": a size that its bytes cannot have");
        if (!index_.emplace(entry.name, entries_.size()).second) damaged(shown + ": twice in the archive");
        entries_.push_back(std::move(entry));
        place += whole;
    }
    if (place != directory.size()) damaged("a broken directory");
}

// Those of the values that do not fit 32 bits stand in the extra field of zip64, in this order.
void ZipReader::widen(const std::string& name, const uint8_t* extra, size_t size, std::vector<uint64_t*> values) const {
    values.erase(std::remove_if(values.begin(), values.end(), [](const uint64_t* v) { return *v != kSaturated; }), values.end());
    if (values.empty()) return;
    for (size_t at = 0; size - at >= 4;) {
        const uint64_t kind = number(extra + at, 2), length = std::min<uint64_t>(number(extra + at + 2, 2), size - at - 4);
        at += 4;
        if (kind == 1) {
            if (length < 8 * values.size()) break;
            for (size_t i = 0; i < values.size(); ++i) *values[i] = number(extra + at + 8 * i, 8);
            return;
        }
        at += size_t(length);
    }
    damaged(shown_name(name) + ": a broken zip64 field");
}

// Local headers agree with the directory, and the members fill the file up to it.
void ZipReader::check_places() {
    std::vector<size_t> order(entries_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return entries_[a].header < entries_[b].header; });
    uint64_t expected = 0;
    bool descriptor = false;
    for (const size_t i : order) {
        ZipEntry& entry = entries_[i];
        if (entry.header < expected || !is_gap(entry.header - expected, descriptor))
            damaged(shown_name(entry.name) + ": bytes before it that overlap or belong to nothing");
        entry.data = check_local(entry);
        expected = entry.data + entry.packed;
        descriptor = (entry.flags & kDescriptor) != 0;
    }
    if (start_ < expected || !is_gap(start_ - expected, descriptor))
        damaged("bytes before the directory that overlap or belong to nothing");
}

uint64_t ZipReader::check_local(const ZipEntry& entry) const {
    const std::string shown = shown_name(entry.name);
    if (entry.header > start_ || start_ - entry.header < kLocal) damaged(shown + ": truncated");
    const Bytes header = at(entry.header, kLocal);
    const uint64_t name_size = number(header.data() + 26, 2), extra_size = number(header.data() + 28, 2);
    const uint64_t data = entry.header + kLocal + name_size + extra_size;
    if (data > start_ || entry.packed > start_ - data) damaged(shown + ": truncated");
    const Bytes name = at(entry.header + kLocal, name_size), extra = at(entry.header + kLocal + name_size, extra_size);
    uint64_t packed = number(header.data() + 18, 4), size = number(header.data() + 22, 4);
    widen(entry.name, extra.data(), extra.size(), {&size, &packed});
    const uint64_t flags = number(header.data() + 6, 2);
    const bool unsaid = (flags & kDescriptor) != 0;
    const auto agrees = [&](uint64_t said, uint64_t value) { return said == value || (unsaid && said == 0); };
    if (number(header.data(), 4) != 0x04034b50u || flags != entry.flags || number(header.data() + 8, 2) != entry.method ||
        std::string(name.begin(), name.end()) != entry.name || !agrees(number(header.data() + 14, 4), entry.crc) ||
        !agrees(packed, entry.packed) || !agrees(size, entry.size))
        damaged(shown + ": a local header that differs from the directory");
    return data;
}

const ZipEntry* ZipReader::find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &entries_[found->second];
}

uint64_t ZipReader::inflated() const {
    uint64_t sum = 0;
    for (const ZipEntry& entry : entries_) sum += entry.size;
    return sum;
}

Bytes ZipReader::read(const ZipEntry& entry) const {
    const std::string shown = shown_name(entry.name);
    Bytes bytes(static_cast<size_t>(entry.size));
    uint64_t written = 0;
    if (entry.method == kStored) {
        if (!storage_.read(entry.data, bytes.data(), bytes.size())) damaged("a file that became shorter");
        written = entry.size;
    } else {
        Inflater inflater;
        bool fits = true;
        for (uint64_t done = 0; fits && done < entry.packed;) {
            const Bytes piece = at(entry.data + done, std::min(entry.packed - done, kPiece));
            fits = !inflater.ended() && inflater.feed(piece, bytes, written);
            done += piece.size();
        }
        if (!fits || !inflater.ended()) written = entry.size + 1;
    }
    if (written != entry.size) damaged(shown + ": does not inflate to its size");
    uLong crc = crc32(0, nullptr, 0);
    for (size_t place = 0; place < bytes.size();) {
        const size_t part = std::min<size_t>(bytes.size() - place, 1u << 30);
        crc = crc32(crc, bytes.data() + place, uInt(part));
        place += part;
    }
    if (uint32_t(crc) != entry.crc) damaged(shown + ": a CRC that differs");
    return bytes;
}

}  // namespace emoface::runtime
