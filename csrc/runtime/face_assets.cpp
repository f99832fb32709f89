// What a face of format 2 brings beside its mesh: as emoface.face_assets.
#include "face_assets.h"

#include "expansion.h"
#include "failure.h"

namespace emoface::runtime {
namespace {

const char* const kFace = "face.npz";
constexpr int64_t kPivots = 4;
constexpr size_t kMostIdentities = 256, kMostName = 64;

bool identifier(std::string_view name) {
    if (name.empty() || name.size() > kMostName || name[0] < 'a' || name[0] > 'z') return false;
    for (const char c : name)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
    return true;
}

// The identity that an array belongs to, "" for none.
std::string identity_of(std::string_view array) {
    constexpr std::string_view start = "identity.";
    if (array.substr(0, start.size()) != start) return {};
    array.remove_prefix(start.size());
    for (const std::string_view end : {".pivots", ".basis"})
        if (array.size() > end.size() && array.substr(array.size() - end.size()) == end) {
            array.remove_suffix(end.size());
            break;
        }
    return identifier(array) ? std::string(array) : std::string();
}

void check_finite(const std::string& name, const std::vector<float>& values) {
    for (const float value : values)
        if (!(value - value == 0)) manifest_fault(kFace, name, "NaN or infinite values", "finite values");
}

std::vector<float> points(const Arrays& arrays, const std::string& name, int64_t count) {
    std::vector<float> values = require_array(arrays, kFace, name, {count, 3}, "<f4").values<float>();
    check_finite(name, values);
    return values;
}

void read_uvs(const Arrays& arrays, int64_t triangles, FaceAssets* assets) {
    if (arrays.count("uvs") + arrays.count("uv_faces") == 0) return;
    const Array& uvs = require_array(arrays, kFace, "uvs", {-1, 2}, "<f4");
    assets->uvs = uvs.values<float>();
    check_finite("uvs", *assets->uvs);
    assets->uv_faces = require_array(arrays, kFace, "uv_faces", {triangles, 3}, "<i4").values<int32_t>();
    for (const int32_t row : *assets->uv_faces)
        if (row < 0 || row >= uvs.shape[0])
            manifest_fault(kFace, "uv_faces", "index " + std::to_string(row),
                           "rows of uvs from 0 to " + std::to_string(uvs.shape[0] - 1));
}

void read_identities(const Arrays& arrays, int64_t vertices, int64_t coefficients, FaceAssets* assets) {
    for (const auto& [name, array] : arrays)
        if (const std::string identity = identity_of(name); !identity.empty()) assets->identities[identity];
    if (assets->identities.size() > kMostIdentities)
        manifest_fault(kFace, "identity", std::to_string(assets->identities.size()) + " identities", "at most 256");
    for (auto& [name, identity] : assets->identities) {
        const std::string array = "identity." + name, pivots = array + ".pivots", basis = array + ".basis";
        identity.vertices = points(arrays, array, vertices);
        if (arrays.count(pivots) != 0) {
            if (!assets->pivots)
                manifest_fault(kFace, pivots, "an array", "none where the face itself has no pivots");
            identity.pivots = points(arrays, pivots, kPivots);
        }
        if (arrays.count(basis) == 0) continue;
        if (coefficients == 0) manifest_fault(kFace, basis, "an array", kNoCoefficients);
        identity.basis = require_basis(arrays, basis, coefficients, vertices);
    }
}

}  // namespace

bool is_asset(const std::string& array) {
    return array == "uvs" || array == "uv_faces" || array == "normal_groups" || array == "pivots" ||
           !identity_of(array).empty();
}

std::vector<float> require_basis(const Arrays& arrays, const std::string& name, int64_t coefficients, int64_t vertices) {
    const auto stored = arrays.find(name);
    const bool half = stored != arrays.end() && stored->second.dtype == "<f2";
    const Array& array = require_array(arrays, kFace, name, {coefficients, vertices, 3}, half ? "<f2" : "<f4");
    std::vector<float> values;
    if (half)
        for (const uint16_t bits : array.values<uint16_t>()) values.push_back(widened(bits));
    else values = array.values<float>();
    check_finite(name, values);
    return values;
}

FaceAssets read_assets(const Arrays& arrays, int64_t vertices, int64_t triangles, int64_t coefficients) {
    FaceAssets assets;
    read_uvs(arrays, triangles, &assets);
    if (arrays.count("normal_groups") != 0) {
        assets.normal_groups = require_array(arrays, kFace, "normal_groups", {triangles}, "<i4").values<int32_t>();
        for (const int32_t group : *assets.normal_groups)
            if (group < 0) manifest_fault(kFace, "normal_groups", "group " + std::to_string(group), "numbers from 0 on");
    }
    if (arrays.count("pivots") != 0) assets.pivots = points(arrays, "pivots", kPivots);
    read_identities(arrays, vertices, coefficients, &assets);
    return assets;
}

}  // namespace emoface::runtime
