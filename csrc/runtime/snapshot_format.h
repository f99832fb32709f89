// What the writer and the reader of snapshots share.
#pragma once

#include <string>

#include "snapshot.h"
#include "strict_json.h"

namespace emoface::runtime {

constexpr char kSnapshotMagic[] = "EMOFACES";
constexpr uint32_t kSnapshotVersion = 2;
constexpr size_t kSnapshotHead = 8 + 4 + 4 + 32;
// Before the names of layers' arrays.
inline const char* const kRig = "rig.";

Json identity_json(const Identity& identity);

// The output that a track holds, as a manifest's source names it.
std::string track_key(const Manifest& manifest, size_t stage, size_t output);

}  // namespace emoface::runtime
