// A counter hash: random bits that are a function of their place alone. As emoface.counter_hash.
#pragma once

#include <cstdint>

namespace emoface::runtime {

// How far apart the counters of consecutive draws lie.
constexpr uint64_t kCounterStep = 0x9E3779B97F4A7C15u;

// SplitMix64's output function: neighbouring inputs give unrelated bits.
constexpr uint64_t mixed(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

}  // namespace emoface::runtime
