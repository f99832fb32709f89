// Offsets of one face carried to another mesh of the same topology: as emoface.rig.retarget.
#pragma once

#include <cstdint>
#include <vector>

namespace emoface::runtime {

class Package;

class Retarget {
public:
    // `target` [V, 3] is the other face at rest; `faces` [F, 3] its triangles, or null. Failure (TEMPLATE).
    Retarget(const Package& package, const float* target, int64_t vertices, const int32_t* faces, int64_t triangles);
    // The target's offsets [count, V, 3] for the source's. Both may be one array.
    void offsets(const float* given, int64_t count, float* moved) const;

private:
    std::vector<float> transforms_;  // [V, 3, 3]: offset of the target = transform @ offset of the source
};

}  // namespace emoface::runtime
