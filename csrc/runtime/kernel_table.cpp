#include "kernel_table.h"

#include "arrays.h"
#include "failure.h"
#include "package.h"

namespace emoface::runtime {
namespace {

const unsigned char stored[] = {
#include "kernel_npz.inc"
};

KernelTable read() {
    Allowance allowance(sizeof stored);
    const Arrays arrays = read_arrays("kernel.npz", stored, sizeof stored, allowance);
    const auto scalar = [&](const char* name) { return require_array(arrays, "kernel.npz", name, {}, "<i8").values<int64_t>()[0]; };
    KernelTable kernel;
    kernel.zero_crossings = scalar("zero_crossings");
    kernel.points_per_crossing = scalar("points_per_crossing");
    kernel.rolloff = require_array(arrays, "kernel.npz", "rolloff", {}, "<f8").values<double>()[0];
    const int64_t size = kernel.zero_crossings * kernel.points_per_crossing + 2;
    kernel.table = require_array(arrays, "kernel.npz", "table", {size}, "<f8").values<double>();
    return kernel;
}

}  // namespace

const KernelTable& kernel_table() {
    static const KernelTable kernel = read();
    return kernel;
}

}  // namespace emoface::runtime
