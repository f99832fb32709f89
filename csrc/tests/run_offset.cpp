// Takes the offset out of float32 samples: standard input to standard output, fed in blocks of `argv[1]` segments. For
// tests/audio, which compare the bits with Python's.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "offset.h"

int main(int, char** argv) {
    constexpr int64_t hop = 320, overlap = 80;
    std::vector<float> samples;
    float value;
    while (std::fread(&value, sizeof value, 1, stdin) == 1) samples.push_back(value);
    const auto heard = int64_t(samples.size());
    const int64_t block = std::atoi(argv[1]) * hop;
    emoface::runtime::OffsetRemover remover(hop, overlap);
    for (int64_t at = 0; at < heard;) {
        const int64_t size = block + (at == 0 ? overlap : 0);
        if (at + size > int64_t(samples.size())) samples.resize(size_t(at + size), 0.25f);  // padding
        remover.remove(samples.data() + at, size, at, heard);
        // A snapshot in between changes nothing.
        emoface::runtime::OffsetRemover again(hop, overlap);
        again.restore(remover.sum(), remover.count());
        remover = again;
        at += size;
    }
    for (size_t i = size_t(heard); i < samples.size(); ++i)
        if (samples[i] != 0.0f) return 2;
    return std::fwrite(samples.data(), sizeof(float), size_t(heard), stdout) == size_t(heard) ? 0 : 3;
}
