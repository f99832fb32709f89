// SHA-256 (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace emoface::runtime {

class Sha256 {
public:
    Sha256();
    void add(const void* data, size_t size);
    // The digest of all that was added; the object is used up.
    std::array<uint8_t, 32> finish();

private:
    void block(const uint8_t* data);
    std::array<uint32_t, 8> state_;
    std::array<uint8_t, 64> held_{};
    uint64_t size_ = 0;
};

std::array<uint8_t, 32> sha256(const void* data, size_t size);
std::string hex(const std::array<uint8_t, 32>& digest);
inline std::string sha256_hex(const void* data, size_t size) { return hex(sha256(data, size)); }

}  // namespace emoface::runtime
