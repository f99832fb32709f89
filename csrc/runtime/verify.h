// A package's golden vectors, run here.
#pragma once

#include <memory>

#include "emoface.h"
#include "stream.h"

namespace emoface::runtime {

// Fills `result`; Failure for golden vectors that do not fit the package. Format, rate and conditions of `options` are
// replaced by those of the vectors.
void verify_golden(const std::shared_ptr<Package>& package, StreamOptions options, emoface_verification* result);

}  // namespace emoface::runtime
