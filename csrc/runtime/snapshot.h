// A stream's whole state as versioned bytes: the format of emoface.stream.snapshot, so that a stream can go on in Python
// or here. Magic, version (u32), length of the header (u32), SHA-256 of what follows, JSON header, arrays.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "driver.h"
#include "layers.h"
#include "zip_reader.h"

namespace emoface::runtime {

// What a snapshot must have in common with the stream it is put into.
struct Identity {
    std::string package, backend, precision;
    int64_t sample_rate = 0, block_features = 0;
    std::vector<std::pair<std::string, Json>> layers;  // by place
    std::optional<uint64_t> noise_seed;  // where the package has noise
};

struct SnapshotExtra {
    bool ended = false;
    int32_t channels = 0;            // 0: not fixed yet
    std::vector<LayerArray> layers;  // states
};

Bytes write_snapshot(const Driver& driver, const Identity& identity, const SnapshotExtra& extra);

// What there is beside the driver's state, of the channels and layers of `mine`; a snapshot whose channels are not fixed yet
// fits all the same. Checked whole before anything is changed; Failure (SNAPSHOT).
SnapshotExtra read_snapshot(const void* data, size_t size, const Identity& identity, const SnapshotExtra& mine, Driver& driver);

}  // namespace emoface::runtime
