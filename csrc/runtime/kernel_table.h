// The resampler's stored kernel: the bytes of sdk/emoface/audio/kernel.npz, put into the library when it is built.
#pragma once

#include <cstdint>
#include <vector>

namespace emoface::runtime {

struct KernelTable {
    std::vector<double> table;  // right half of a windowed sinc, with a guard value at the end
    int64_t zero_crossings = 0;
    int64_t points_per_crossing = 0;
    double rolloff = 0.0;
};

const KernelTable& kernel_table();

}  // namespace emoface::runtime
