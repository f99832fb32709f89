// Textures of a face: PNG images, whose structure is checked when a package is read. As emoface.textures.
#pragma once

#include <map>
#include <string>

#include "manifest.h"
#include "zip_reader.h"

namespace emoface::runtime {

// Failure (PACKAGE_INTEGRITY) for the first of the manifest's textures, by name, that is none.
void check_textures(const Manifest& manifest, const std::map<std::string, Bytes>& files);

}  // namespace emoface::runtime
