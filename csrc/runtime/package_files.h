// A package's files: a folder, or a zip.
#pragma once

#include <memory>

#include "package.h"

namespace emoface::runtime {

class ZipSource : public FileSource {
public:
    // The bytes must live as long as the source.
    ZipSource(const uint8_t* data, size_t size, std::string what);
    // Keeps the bytes.
    ZipSource(Bytes bytes, std::string what);
    Bytes read(const std::string& name, uint64_t limit) const override;

private:
    Bytes owned_;
    std::string what_;
    ZipReader zip_;
};

// A folder or a zip; Failure (PACKAGE_NOT_FOUND, PACKAGE_INTEGRITY).
std::unique_ptr<FileSource> open_files(const std::string& path);

}  // namespace emoface::runtime
