#include "package_files.h"

#include <filesystem>
#include <fstream>

#include "failure.h"

namespace emoface::runtime {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMostPackageBytes = uint64_t(8) << 30;

[[noreturn]] void wrong_size(const std::string& name, uint64_t got, uint64_t expected) {
    fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, name + ": " + std::to_string(got) + " bytes",
         std::to_string(expected) + " bytes at most", kFetch);
}

Bytes read_file(const fs::path& path, const std::string& shown, uint64_t limit) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    // A link inside a package could lead outside of it.
    if (error || !fs::is_regular_file(status))
        fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, shown + ": no such file", "every file the manifest lists", kFetch);
    const uint64_t size = fs::file_size(path, error);
    if (error) fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, shown + ": " + error.message(), "a file that can be read", kFetch);
    if (size > limit) wrong_size(shown, size, limit);
    Bytes bytes(static_cast<size_t>(size));
    std::ifstream stream(path, std::ios::binary);
    if (!bytes.empty()) stream.read(reinterpret_cast<char*>(bytes.data()), std::streamsize(bytes.size()));
    if (!stream) fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, shown + " cannot be read", "a file that can be read", kFetch);
    return bytes;
}

class FolderSource : public FileSource {
public:
    explicit FolderSource(std::string path) : path_(std::move(path)) {}
    Bytes read(const std::string& name, uint64_t limit) const override {
        return read_file(fs::u8path(path_) / fs::u8path(name), path_ + "/" + name, limit);
    }

private:
    std::string path_;
};

}  // namespace

ZipSource::ZipSource(const uint8_t* data, size_t size, std::string what)
    : what_(std::move(what)), zip_(data, size, what_) {
    for (const ZipEntry& entry : zip_.entries())
        if (entry.name.find_first_of("/\\") != std::string::npos || entry.name.empty() || entry.name == "..")
            manifest_fault(what_, "file name", "'" + entry.name + "'", "plain file names: no path outside the package");
}

ZipSource::ZipSource(Bytes bytes, std::string what) : ZipSource(bytes.data(), bytes.size(), std::move(what)) {
    // Moving a vector keeps its bytes where they are.
    owned_ = std::move(bytes);
}

Bytes ZipSource::read(const std::string& name, uint64_t limit) const {
    const ZipEntry* entry = zip_.find(name);
    if (entry == nullptr)
        fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, what_ + ": no " + name, "every file of the package", kFetch);
    if (entry->size > limit) wrong_size(name, entry->size, limit);
    return zip_.read(*entry);
}

std::unique_ptr<FileSource> open_files(const std::string& path) {
    std::error_code error;
    const fs::path place = fs::u8path(path);
    const fs::file_status status = fs::status(place, error);
    if (error || !fs::exists(status))
        fail(EMOFACE_ERROR_PACKAGE_NOT_FOUND, path + ": no such file or folder", "a package folder or an .emoface file",
             "Check the path, or write a package with `emoface export`.");
    if (fs::is_directory(status)) return std::make_unique<FolderSource>(path);
    // The package itself may be reached through a link.
    const fs::path file = fs::canonical(place, error);
    return std::make_unique<ZipSource>(read_file(error ? place : file, path, kMostPackageBytes), path);
}

}  // namespace emoface::runtime
