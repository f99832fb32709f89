// Parts of the face that controls move by themselves: the tongue in its jaw, the gap of the lips, the lids. As
// emoface.rig.face_parts, from each frame alone.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "blinks.h"

namespace emoface::runtime {

class Package;
struct Face;

// Masks of what is no skin.
const std::vector<std::string>& inner_masks();
// The vertices of a mask; null where the face has none of this name.
const std::vector<int32_t>* find_mask(const Face& face, const std::string& name);

// The tongue's own motion: what is left when that of the jaw is taken away, the affine map that fits the lower teeth.
class Tongue {
public:
    // height, depth: by how much the tip is higher and farther out, in the face's unit; neutral [V, 3].
    // Failure (PACKAGE) where the face has no tongue or no lower teeth, or they lie in a plane.
    Tongue(const Face& face, const std::vector<float>& neutral, double strength, double height, double depth);
    // Scale the own motion in a frame's offsets [V, 3].
    void scale(float* offsets) const;
    void add(float* offsets, float share) const;

private:
    double more_;
    std::vector<int32_t> tongue_, teeth_;
    std::vector<double> rows_;  // [tongue, 4]
    std::vector<double> fit_;   // [4, teeth]
    std::vector<float> shift_;  // [tongue, 3]
};

// Lips that are parted a little more, or closed until they touch.
class LipOffset {
public:
    // Failure (PACKAGE) where the face lacks the shapes, or, to close its lips, the masks of their inner rims.
    LipOffset(const Face& face, const std::vector<float>& neutral, double weight);
    void add(float* offsets, float share) const;

private:
    struct Pair {
        size_t upper, lower;
        double rest, parted;  // the gap, and by how much the shapes part it
    };
    double weight_;
    std::vector<size_t> moving_;
    std::vector<float> parting_;  // [moving, 3]
    std::vector<Pair> pairs_;
};

// Lids that are opened wider, or closed by a part of what is between them.
class EyelidOffset {
public:
    // Failure (PACKAGE) where the face lacks the shapes.
    EyelidOffset(const Face& face, double weight);
    void add(float* offsets, float share) const;

private:
    struct Wide {
        std::vector<size_t> moving;
        std::vector<float> shape;  // [moving, 3]
    };
    double weight_;
    std::vector<Wide> wide_;
    std::vector<Lid> lids_;
};

}  // namespace emoface::runtime
