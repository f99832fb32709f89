#include "package_files.h"

#include <filesystem>
#include <fstream>
#include <functional>

#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#endif

#include "failure.h"

namespace emoface::runtime {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostMembers = 4096;
const char* const kExported = "the package as it was exported";

[[noreturn]] void broken(const std::string& got, const std::string& expected = kExported) {
    fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, got, expected, kFetch);
}

// What people, systems and Hugging Face put beside a package's files; never opened.
bool is_ignored(const std::string& name) {
    if (name.size() > 1 && name[0] == '.') {
        for (size_t i = 1; i < name.size(); ++i) {
            const char c = name[i];
            const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
            if (!letter && (i == 1 || (c != '.' && c != '-'))) return false;
        }
        return true;
    }
    const size_t dot = name.find('.');
    const std::string stem = name.substr(0, dot), suffix = dot == std::string::npos ? "" : name.substr(dot);
    return (stem == "README" || stem == "LICENSE" || stem == "LICENCE" || stem == "NOTICE") &&
           (suffix.empty() || suffix == ".md" || suffix == ".txt");
}

// The same in a zip: what macOS packs beside each file.
bool is_ignored_in_zip(const std::string& name) {
    constexpr char folder[] = "__MACOSX/";
    if (name.compare(0, sizeof folder - 1, folder) != 0) return is_ignored(name);
    const std::string rest = name.substr(sizeof folder - 1);
    return rest.empty() || rest == "._" || (rest.compare(0, 2, "._") == 0 && is_ignored("._" + rest.substr(2)));
}

const char* kind_of(fs::file_type type) {
    switch (type) {
        case fs::file_type::fifo: return "a FIFO";
        case fs::file_type::socket: return "a socket";
        case fs::file_type::character:
        case fs::file_type::block: return "a device";
        case fs::file_type::directory: return "a folder";
        default: return "no regular file";
    }
}

// Bytes of a large file that are no holes, as far as the system knows: holes are zeros that take no room.
uint64_t bytes_on_disk(const fs::path& path, uint64_t size) {
#if defined(SEEK_DATA) && defined(SEEK_HOLE)
    constexpr int kMostExtents = 1024;
    if (size <= uint64_t(Allowance::kFree)) return size;
    const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return size;
    uint64_t total = 0;
    off_t at = 0;
    for (int i = 0; i < kMostExtents && uint64_t(at) < size; ++i) {
        const off_t begin = lseek(file, at, SEEK_DATA);
        if (begin < 0) {
            // Nothing but a hole follows, or no such question here.
            if (errno != ENXIO) total = size;
            at = off_t(size);
            break;
        }
        at = lseek(file, begin, SEEK_HOLE);
        total += uint64_t(at - begin);
    }
    close(file);
    return uint64_t(at) < size ? total + (size - uint64_t(at)) : total;
#else
    return size;
#endif
}

// A regular file, links followed; what is none is not even opened, since a FIFO would wait for its writer.
class FileStorage : public Storage {
public:
    FileStorage(const fs::path& path, const std::string& name) {
        std::error_code error, ignored;
        const fs::file_status status = fs::status(path, error);
        if (status.type() == fs::file_type::not_found)
            broken(name + (fs::is_symlink(fs::symlink_status(path, ignored)) ? ": a link to nothing" : ": no such file"), "a regular file");
        if (status.type() == fs::file_type::none) broken(name + ": " + error.message(), "a regular file");
        if (!fs::is_regular_file(status)) broken(name + ": " + kind_of(status.type()), "a regular file");
        size_ = fs::file_size(path, error);
        stored_ = bytes_on_disk(path, size_);
        if (!error) stream_.open(path, std::ios::binary);
        if (error || !stream_) broken(name + ": " + (error ? error.message() : "cannot be opened"), "a regular file");
    }
    uint64_t size() const override { return size_; }
    uint64_t stored() const { return stored_; }
    bool read(uint64_t offset, uint8_t* out, size_t count) const override {
        stream_.clear();
        stream_.seekg(std::streamoff(offset));
        if (count != 0) stream_.read(reinterpret_cast<char*>(out), std::streamsize(count));
        return bool(stream_);
    }

private:
    uint64_t size_ = 0, stored_ = 0;
    mutable std::ifstream stream_;
};

class FolderSource : public FileSource {
public:
    explicit FolderSource(const std::string& path) : FileSource(path, 0), path_(fs::u8path(path)) {}
    Bytes read(const std::string& name, uint64_t limit) const override {
        const FileStorage file(path_ / fs::u8path(name), name);
        if (file.size() > limit) broken(name + ": " + std::to_string(file.size()) + " bytes", std::to_string(limit) + " bytes at most");
        if (!allowance().spend(file.size(), file.stored())) refuse_bomb(name, file.size());
        Bytes bytes(static_cast<size_t>(file.size()));
        if (!file.read(0, bytes.data(), bytes.size())) broken(name + ": cannot be read", "a file that can be read");
        return bytes;
    }
    std::vector<std::string> names() const override {
        std::vector<std::string> names;
        std::error_code error;
        fs::directory_iterator entries(path_, error);
        for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
            const std::string name = entries->path().filename().u8string();
            if (!is_ignored(name) && name != "__MACOSX") names.push_back(name);
            if (names.size() > kMostMembers) broken(what() + ": more than " + std::to_string(kMostMembers) + " files");
        }
        if (error) broken(what() + ": " + error.message(), "a folder that can be read");
        return names;
    }

private:
    fs::path path_;
};

class ZipSource : public FileSource {
public:
    ZipSource(std::unique_ptr<Storage> storage, uint64_t stored, const std::string& what)
        : FileSource(what, stored),
          storage_(std::move(storage)),
          zip_(*storage_, [what](const std::string& why) { broken(what + ": " + why, "an undamaged package"); },
               [what](const std::string& name) {
                   if (!plain_file_name(name) && !is_ignored_in_zip(name))
                       manifest_fault(what, "file name", "'" + shown_name(name) + "'",
                                      "plain file names: no path outside the package, no folders");
               }) {
        if (!allowance().spend(zip_.inflated())) refuse_bomb(what, zip_.inflated());
    }
    Bytes read(const std::string& name, uint64_t limit) const override {
        const ZipEntry* entry = zip_.find(name);
        if (entry == nullptr) broken(name + ": no such file", "every file that the manifest lists");
        if (entry->size > limit) broken(name + ": " + std::to_string(entry->size) + " bytes", std::to_string(limit) + " bytes at most");
        return zip_.read(*entry);
    }
    std::vector<std::string> names() const override {
        std::vector<std::string> names;
        for (const ZipEntry& entry : zip_.entries())
            if (!is_ignored_in_zip(entry.name)) names.push_back(entry.name);
        return names;
    }

private:
    std::unique_ptr<Storage> storage_;
    ZipReader zip_;
};

}  // namespace

void refuse_bomb(const std::string& name, uint64_t inflated) {
    broken(name + ": " + std::to_string(inflated) + " bytes once inflated",
           "at most " + std::to_string(Allowance::kFree) + " bytes and " + std::to_string(Allowance::kMostRatio) +
               " times the package's own size");
}

std::unique_ptr<FileSource> zip_files(const void* data, size_t size) {
    return std::make_unique<ZipSource>(std::make_unique<MemoryStorage>(static_cast<const uint8_t*>(data), size), size,
                                       "the package in memory");
}

std::unique_ptr<FileSource> open_files(const std::string& path) {
    std::error_code error, ignored;
    const fs::path place = fs::u8path(path);
    const fs::file_status status = fs::status(place, error);
    if (error == std::errc::permission_denied) broken(path + ": " + error.message(), "a package folder or .emoface file");
    if (!fs::exists(status) && fs::is_symlink(fs::symlink_status(place, ignored)) && error != std::errc::too_many_symbolic_link_levels)
        broken(path + ": a link to nothing", "a package folder or .emoface file");
    if (!fs::exists(status))
        fail(EMOFACE_ERROR_PACKAGE_NOT_FOUND, path + ": no such file or folder", "a package folder or an .emoface file",
             "Check the path, or write a package with `emoface export`.");
    if (fs::is_directory(status)) return std::make_unique<FolderSource>(path);
    auto file = std::make_unique<FileStorage>(place, path);
    const uint64_t stored = file->stored();
    return std::make_unique<ZipSource>(std::move(file), stored, path);
}

}  // namespace emoface::runtime
