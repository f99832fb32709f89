// What a package's graphs are checked for before ONNX Runtime sees a byte of them: docs/security.md.
#pragma once

#include <map>
#include <string>

#include "arrays.h"
#include "manifest.h"

namespace emoface::runtime {

// Failure (MANIFEST) that names the graph's file, and the node, tensor or part at fault.
void check_graphs(const Manifest& manifest, const std::map<std::string, Bytes>& files);

}  // namespace emoface::runtime
