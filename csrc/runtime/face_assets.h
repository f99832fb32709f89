// What a face of format 2 may bring beside its mesh: texture coordinates, sharp edges, pivots, named identities.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "arrays.h"

namespace emoface::runtime {

// Another neutral face [V, 3] of the package's topology; pivots [4, 3] where they are not those of the package's face; the
// basis [R, V, 3] that the package's coefficients are of on this face, none where the package's own moves it.
struct FaceIdentity {
    std::vector<float> vertices;
    std::optional<std::vector<float>> pivots;
    std::vector<float> basis;
};

struct FaceAssets {
    std::optional<std::vector<float>> uvs;              // [U, 2]
    std::optional<std::vector<int32_t>> uv_faces;       // [F, 3], rows of uvs
    std::optional<std::vector<int32_t>> normal_groups;  // [F]
    std::optional<std::vector<float>> pivots;           // [4, 3]: head, jaw, left eye, right eye
    std::map<std::string, FaceIdentity> identities;
};

// Whether an array of face.npz is of format 2.
bool is_asset(const std::string& array);

// The assets among the arrays of face.npz, others passed over; Failure (MANIFEST).
FaceAssets read_assets(const Arrays& arrays, int64_t vertices, int64_t triangles, int64_t coefficients);

// A motion basis [R, V, 3], float32 or float16, as float32; Failure (MANIFEST).
std::vector<float> require_basis(const Arrays& arrays, const std::string& name, int64_t coefficients, int64_t vertices);

// What a reader expects of a basis where there are no coefficients.
constexpr const char* kNoCoefficients = "none: no output of the manifest has the role coefficients";

}  // namespace emoface::runtime
