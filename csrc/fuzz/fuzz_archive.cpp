// libFuzzer: whole packages as bytes of a zip, opened from memory and as a file; or, behind "DIR", what lies in a folder
// beside the files of a package or instead of them: name and content in turn, a content's first byte says what it is.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz_inputs.h"

namespace {

namespace fs = std::filesystem;
constexpr size_t kMark = 3;

bool is_folder(const uint8_t* data, size_t size) { return size > kMark && std::memcmp(data, "DIR", kMark) == 0; }

// A name of this process alone.
fs::path place(const char* suffix) {
    const char* folder = std::getenv("TMPDIR");
    return fs::path(folder ? folder : "/tmp") / ("emoface-fuzz-" + std::to_string(getpid()) + suffix);
}

void write(const fs::path& path, const Input& bytes) {
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
}

void lay_out(const fs::path& path, const Input& content) {
    const Input rest(content.begin() + (content.empty() ? 0 : 1), content.end());
    const fs::path targets[] = {"nothing", "/dev/zero", ".", path.filename(), path.parent_path().parent_path()};
    switch (content.empty() ? 0 : content[0] % 6) {
        case 1: mkfifo(path.c_str(), 0600); break;
        case 2: fs::create_directory(path); break;
        case 3: fs::create_symlink(targets[rest.size() % std::size(targets)], path); break;
        case 4:
            // Bytes, a hole and perhaps bytes once more.
            write(path, rest);
            fs::resize_file(path, rest.size() + (get(rest, 0, 4) & 0x0FFFFFFF));
            if (rest.size() % 2) std::ofstream(path, std::ios::binary | std::ios::app) << "end";
            break;
        case 5: {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
            const int made = socket(AF_UNIX, SOCK_STREAM, 0);
            bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address);
            close(made);
            break;
        }
        default: write(path, rest);
    }
}

// The package's files as links, as Hugging Face's cache has them, changed by the input; and each entry as a package.
void open_folder(const std::vector<Input>& parts) {
    const fs::path folder = place("-folder");
    fs::create_directory(folder);
    for (const auto& [name, unused] : seed_files()) fs::create_symlink(fs::absolute(fs::path(std::getenv("EMOFACE_FUZZ_FILES")) / name), folder / name);
    std::vector<std::string> names = {""};
    for (size_t i = 0; i + 1 < parts.size(); i += 2) {
        std::string name(parts[i].begin(), parts[i].end());
        for (char& c : name)
            if (c == '/' || c == 0) c = '_';
        if (name.empty() || name == "." || name == ".." || name.size() > 100) continue;
        fs::remove_all(folder / name);
        lay_out(folder / name, parts[i + 1]);
        names.push_back(name);
    }
    for (const std::string& name : names) {
        emoface_package* package = nullptr;
        const emoface_status status = emoface_package_open((folder / name).c_str(), &package);
        require((status == EMOFACE_OK) == (package != nullptr) && status != EMOFACE_ERROR_INTERNAL);
        emoface_package_release(package);
    }
    fs::remove_all(folder);
}

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
    if (is_folder(data, size)) {
        open_folder(parts_of(data + kMark, size - kMark));
        return 0;
    }
    emoface_package* package = open_package(Input(data, data + size));
    const bool taken = package != nullptr;
    emoface_package_release(package);
    static const fs::path path = place(".emoface");
    write(path, Input(data, data + size));
    package = nullptr;
    require((emoface_package_open(path.c_str(), &package) == EMOFACE_OK) == taken);
    emoface_package_release(package);
    fs::remove(path);
    return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    if (is_folder(data, size)) return kMark + mutate_parts(data + kMark, size - kMark, most - kMark, seed);
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
