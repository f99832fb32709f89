// A stream's whole state as versioned bytes: the format of emoface.stream.snapshot, so that a stream can go on in Python
// or here. Magic, version (u32), length of the header (u32), SHA-256 of what follows, JSON header, arrays.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "driver.h"
#include "zip_reader.h"

namespace emoface::runtime {

// What a snapshot must have in common with the stream it is put into.
struct Identity {
    std::string package, backend, precision;
    int64_t sample_rate = 0, block_features = 0;
    std::vector<double> controls;  // none where they are the defaults
    std::vector<double> blinks;    // seed and rate; none without blinks
    std::optional<uint64_t> noise_seed;  // where the package has noise
};

struct SnapshotExtra {
    bool ended = false;
    int32_t channels = 0;             // 0: not fixed yet
    std::vector<float> blendshapes;  // the solver's weights; none where there is no solver
    std::vector<float> held;         // smoothed offsets [V, 3] of the frame before; none without smoothing
    bool started = false;            // whether there was such a frame
};

Bytes write_snapshot(const Driver& driver, const Identity& identity, const SnapshotExtra& extra);

// What a stream has to restore, or 0. A snapshot whose channels are not fixed yet fits all the same.
struct SnapshotNeeds {
    int32_t channels = 0;
    size_t blendshapes = 0;
    size_t smoothed = 0;  // vertices
};

// Checked whole before anything is changed; Failure (SNAPSHOT).
SnapshotExtra read_snapshot(const void* data, size_t size, const Identity& identity, const SnapshotNeeds& needs, Driver& driver);

}  // namespace emoface::runtime
