// What the tests of the kernels share: random values, and failures that are counted and printed, a line each.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "spiral_conv3d.h"

namespace emoface {

inline int failures = 0;

inline void check(bool good, const char* what, const char* where) {
    if (good) return;
    ++failures;
    std::printf("FAILED %s [%s]\n", what, where);
}

inline void expect(Status got, Status wanted, const char* what) {
    if (got == wanted) return;
    ++failures;
    std::printf("FAILED %s: got '%s', expected '%s'\n", what, status_text(got), status_text(wanted));
}

inline std::vector<Isa> available() {
    std::vector<Isa> all;
    for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
        if (isa_available(isa)) all.push_back(isa);
    return all;
}

inline std::vector<float> normal(int64_t count, std::mt19937& random, float scale = 1.0f) {
    std::normal_distribution<float> distribution(0.0f, scale);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = distribution(random);
    return values;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// The last line that a program prints; what its main() returns.
inline int report() {
    std::printf("%s:", failures ? "FAILED" : "passed");
    for (Isa isa : available()) std::printf(" %s", isa_name(isa));
    std::printf("\n");
    return failures != 0;
}

}  // namespace emoface
