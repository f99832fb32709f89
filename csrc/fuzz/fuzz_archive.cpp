// libFuzzer: whole packages as bytes of a zip, opened from memory and as a file.
#include <unistd.h>

#include "fuzz_inputs.h"

namespace {

// Sizes and checksums that fit what the entries hold, or hardly a mutation would come past them.
void repair(Input& zip) {
    for (size_t at = 0; at + 46 <= zip.size(); ++at) {
        if (get(zip, at, 4) != 0x02014b50) continue;
        const size_t header = get(zip, at + 42, 4), method = get(zip, at + 10, 2), packed = get(zip, at + 20, 4);
        if (header + 30 > zip.size()) continue;
        const size_t data = header + 30 + get(zip, header + 26, 2) + get(zip, header + 28, 2);
        if (data > zip.size() || packed > zip.size() - data) continue;
        Input bytes(zip.begin() + std::ptrdiff_t(data), zip.begin() + std::ptrdiff_t(data + packed));
        if (method == 8) {
            Input inflated(1 << 16);
            z_stream stream{};
            stream.next_in = bytes.data();
            stream.avail_in = uInt(bytes.size());
            stream.next_out = inflated.data();
            stream.avail_out = uInt(inflated.size());
            if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) continue;
            inflate(&stream, Z_FINISH);
            inflated.resize(stream.total_out);
            inflateEnd(&stream);
            bytes = inflated;
        }
        const uint64_t crc = crc32(crc32(0, nullptr, 0), bytes.data(), uInt(bytes.size()));
        for (const size_t place : {at + 16, header + 14}) {
            set(zip, place, crc, 4);
            set(zip, place + 4, packed, 4);
            set(zip, place + 8, bytes.size(), 4);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    emoface_package* package = open_package(Input(data, data + size));
    const bool taken = package != nullptr;
    emoface_package_release(package);
    static const std::string path = [] {
        const char* folder = std::getenv("TMPDIR");
        return std::string(folder ? folder : "/tmp") + "/emoface-fuzz-" + std::to_string(getpid()) + ".emoface";
    }();
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), std::streamsize(size));
    package = nullptr;
    require((emoface_package_open(path.c_str(), &package) == EMOFACE_OK) == taken);
    emoface_package_release(package);
    std::filesystem::remove(path);
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    Random random(seed);
    Input zip(data, data + size);
    if (random() % 4 == 0) {
        // A field of a header.
        std::vector<size_t> marks;
        for (size_t at = 0; at + 4 <= size; ++at) {
            const uint64_t mark = get(zip, at, 4);
            if (mark == 0x02014b50 || mark == 0x04034b50 || mark == 0x06054b50) marks.push_back(at);
        }
        static const uint64_t values[] = {0, 1, 2, 8, 12, 14, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
        if (!marks.empty()) set(zip, marks[random() % marks.size()] + 4 + random() % 42, values[random() % std::size(values)], 1 << random() % 3);
    } else {
        mutate_bytes(zip);
    }
    if (random() % 2) repair(zip);
    return give(zip, data, most);
}
