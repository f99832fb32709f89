// What the tests of the kernels share: failures are counted and printed, a line each.
#pragma once

#include <cstdio>
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

}  // namespace emoface
