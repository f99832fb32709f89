// A package's golden vectors, run here.
#pragma once

#include "emoface.h"
#include "stream.h"

namespace emoface::runtime {

// Compares every output of every stage; Failure for golden vectors that do not fit the package. Of `options` the graphs'
// ones count, and the conditions that the vectors do not replace.
void verify_golden(Package& package, StreamOptions options, emoface_verification* result);

}  // namespace emoface::runtime
