// Noise that stages read: standard normal values, each a function of seed, noise, item and index alone. As
// emoface.stream.noise, with the same sums in the same order.
#pragma once

#include <cstdint>
#include <vector>

#include "manifest.h"

namespace emoface::runtime {

class NoiseSource {
public:
    // The manifest must outlive it.
    NoiseSource(const Manifest& manifest, uint64_t seed);
    // A noise of the manifest for items (frames, or features of a block stage) from `first` on: [count, size].
    void write(size_t noise, int64_t first, int64_t count, float* values) const;

private:
    const Manifest& manifest_;
    std::vector<uint64_t> begin_;  // of each noise
};

// A standard normal value for uniform bits.
double standard_normal(uint64_t bits);

}  // namespace emoface::runtime
