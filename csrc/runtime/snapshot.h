// A stream's whole state as versioned bytes: the format of emoface.stream.snapshot, so that a stream can go on in Python
// or here. Magic, version (u32), length of the header (u32), SHA-256 of what follows, JSON header, arrays.
#pragma once

#include <string>

#include "driver.h"
#include "zip_reader.h"

namespace emoface::runtime {

// What a snapshot must have in common with the stream it is put into.
struct Identity {
    std::string package, backend, precision;
    int64_t sample_rate = 0, block_features = 0;
};

struct SnapshotExtra {
    bool ended = false;
    int32_t channels = 0;             // 0: not fixed yet
    std::vector<float> blendshapes;  // the solver's weights; none where there is no solver
};

Bytes write_snapshot(const Driver& driver, const Identity& identity, const SnapshotExtra& extra);

// Checked whole before anything is changed; Failure (SNAPSHOT). `channels` and `blendshapes` are those of the stream; a
// snapshot that has none of them fits.
SnapshotExtra read_snapshot(const void* data, size_t size, const Identity& identity, int32_t channels,
                            size_t blendshapes, Driver& driver);

}  // namespace emoface::runtime
