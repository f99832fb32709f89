// A package's files: a folder, or a zip; never more than its bytes can hold.
#pragma once

#include <memory>

#include "package.h"

namespace emoface::runtime {

// A zip in memory; the bytes must live as long as the source.
std::unique_ptr<FileSource> zip_files(const void* data, size_t size);

// A folder or a zip; Failure (PACKAGE_NOT_FOUND, PACKAGE_INTEGRITY, MANIFEST).
std::unique_ptr<FileSource> open_files(const std::string& path);

// The error for bytes that no honest package has.
[[noreturn]] void refuse_bomb(const std::string& name, uint64_t inflated);

}  // namespace emoface::runtime
