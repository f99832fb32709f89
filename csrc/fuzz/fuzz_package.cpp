// libFuzzer: the package reader. The first byte chooses what the rest is: a whole .emoface file, a manifest, or an npz
// file, since hashes would hide the last two from a fuzzer that changes single bytes of a package.
#include <cstddef>
#include <cstdint>

#include "arrays.h"
#include "emoface.h"
#include "failure.h"
#include "manifest.h"
#include "package.h"

using namespace emoface::runtime;

namespace {

Manifest small_manifest() {
    Manifest manifest;
    manifest.vertices = 12;
    return manifest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const uint8_t* rest = data + 1;
    const size_t length = size - 1;
    if (data[0] % 3 == 0) {
        emoface_package* package = nullptr;
        const emoface_status status = emoface_package_open_memory(rest, int64_t(length), &package);
        if ((status == EMOFACE_OK) != (package != nullptr) || status == EMOFACE_ERROR_INTERNAL) __builtin_trap();
        emoface_package_release(package);
        return 0;
    }
    try {
        if (data[0] % 3 == 1) read_manifest(rest, length);
        else read_face(small_manifest(), Bytes(rest, rest + length));
    } catch (const Failure&) {
        // A status with a reason: what a wrong package is meant to get.
    }
    return 0;
}
