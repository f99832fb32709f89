// What face.npz and golden.npz hold, checked against the manifest: as emoface.face_file.
#include <set>

#include "failure.h"
#include "package.h"
#include "sha256.h"

namespace emoface::runtime {
namespace {

const char* const kFace = "face.npz";
const char* const kGolden = "golden.npz";
constexpr int64_t kMostFrame = int64_t(1) << 31;
constexpr size_t kMostShapes = 4096;

bool starts_with(const std::string& text, const std::string& start) { return text.compare(0, start.size(), start) == 0; }

void refuse_unknown(const std::string& file, const Arrays& arrays, const std::set<std::string>& known, int64_t format) {
    for (const auto& [name, array] : arrays)
        if (known.count(name) == 0)
            manifest_fault(file, name, "an unknown array", "only the arrays of format " + std::to_string(format));
}

bool finite(float value) { return value - value == 0; }

void check_finite(const std::string& file, const std::string& name, const std::vector<float>& values) {
    for (const float value : values)
        if (!finite(value)) manifest_fault(file, name, "NaN or infinite values", "finite values");
}

// Texts, all different, none empty or with control characters; as many as `count`, or any (-1).
std::vector<std::string> require_names(const Arrays& arrays, const std::string& key, int64_t count) {
    const Array& array = require_array(arrays, kFace, key, {count}, "");
    if (array.dtype[1] != 'U' || array.count() == 0 || array.count() > int64_t(kMostShapes))
        manifest_fault(kFace, key, array.text(), "1 to 4096 texts");
    std::vector<std::string> names = array.texts();
    std::set<std::string> different;
    for (const std::string& name : names)
        if (!plain_text(name) || !different.insert(name).second)
            manifest_fault(kFace, key, "a name twice, without or with control characters", "distinct names");
    return names;
}

// Names and offsets [S, V, 3] at weight 1, stored as float32, or as int16 multiples of a step per shape.
void read_blendshapes(const Arrays& arrays, int64_t vertices, Face* face) {
    if (arrays.count("blendshape_names") + arrays.count("blendshapes") + arrays.count("blendshape_step") == 0) return;
    face->blendshape_names = require_names(arrays, "blendshape_names", -1);
    const int64_t count = int64_t(face->blendshape_names.size());
    const auto stored = arrays.find("blendshapes");
    if (stored != arrays.end() && stored->second.dtype == "<f4") {
        face->blendshapes = require_array(arrays, kFace, "blendshapes", {count, vertices, 3}, "<f4").values<float>();
        if (arrays.count("blendshape_step") != 0)
            manifest_fault(kFace, "blendshape_step", "an array", "none beside blendshapes of float32");
    } else {
        const std::vector<int16_t> whole =
            require_array(arrays, kFace, "blendshapes", {count, vertices, 3}, "<i2").values<int16_t>();
        const std::vector<float> step = require_array(arrays, kFace, "blendshape_step", {count}, "<f4").values<float>();
        check_finite(kFace, "blendshape_step", step);
        face->blendshapes.resize(whole.size());
        for (size_t i = 0; i < whole.size(); ++i)
            face->blendshapes[i] = float(whole[i]) * step[i / (whole.size() / step.size())];
    }
    check_finite(kFace, "blendshapes", face->blendshapes);
}

// The motion basis that the manifest's coefficients are of: arrays of its own, or the blendshapes.
void read_basis(const Manifest& manifest, const Arrays& arrays, Face* face) {
    const int64_t rank = manifest.coefficients();
    if (manifest.format < 2) return;
    if (rank == 0) {
        for (const char* key : {"basis", "basis_names"})
            if (arrays.count(key) != 0)
                manifest_fault(kFace, key, "an array", kNoCoefficients);
        return;
    }
    if (arrays.count("basis") == 0) {
        if (arrays.count("basis_names") != 0) manifest_fault(kFace, "basis", "nothing", "the shapes that basis_names are of");
        if (int64_t(face->blendshape_names.size()) != rank)
            manifest_fault(kFace, "basis", "nothing, and " + std::to_string(face->blendshape_names.size()) + " blendshapes",
                           "a basis of " + std::to_string(rank) + ", as coefficients has");
        return;
    }
    face->basis = require_basis(arrays, "basis", rank, manifest.vertices);
    if (arrays.count("basis_names") != 0) {
        face->basis_names = require_names(arrays, "basis_names", rank);
        return;
    }
    for (int64_t shape = 0; shape < rank; ++shape) {
        const std::string number = std::to_string(shape);
        face->basis_names.push_back("basis_" + std::string(number.size() < 3 ? 3 - number.size() : 0, '0') + number);
    }
}

}  // namespace

Face read_face(const Manifest& manifest, const Bytes& file, Allowance& allowance) {
    const Arrays arrays = read_arrays(kFace, file.data(), file.size(), allowance);
    const int64_t count = manifest.vertices;
    std::set<std::string> known = {"template", "faces", "colours", "blendshape_names", "blendshapes", "blendshape_step"};
    if (manifest.format >= 2) known.insert({"basis", "basis_names"});
    std::vector<std::string> masks;
    for (const auto& [name, array] : arrays)
        if (starts_with(name, "mask_") && name.size() > 5) masks.push_back(name);
    known.insert(masks.begin(), masks.end());
    if (manifest.format >= 2)
        for (const auto& [name, array] : arrays)
            if (is_asset(name)) known.insert(name);
    refuse_unknown(kFace, arrays, known, manifest.format);
    Face face;
    face.vertices = require_array(arrays, kFace, "template", {count, 3}, "<f4").values<float>();
    face.triangles = require_array(arrays, kFace, "faces", {-1, 3}, "<i4").values<int32_t>();
    face.colours = require_array(arrays, kFace, "colours", {count, 3}, "<f4").values<float>();
    for (const std::string& name : masks) {
        face.mask_names.push_back(name.substr(5));
        face.masks.push_back(require_array(arrays, kFace, name, {-1}, "<i4").values<int32_t>());
    }
    const auto check_indices = [&](const std::string& key, const std::vector<int32_t>& indices) {
        for (const int32_t index : indices)
            if (index < 0 || index >= count)
                manifest_fault(kFace, key, "index " + std::to_string(index),
                               "vertex indices from 0 to " + std::to_string(count - 1));
    };
    check_indices("faces", face.triangles);
    for (size_t i = 0; i < masks.size(); ++i) check_indices(masks[i], face.masks[i]);
    check_finite(kFace, "template", face.vertices);
    check_finite(kFace, "colours", face.colours);
    read_blendshapes(arrays, count, &face);
    read_basis(manifest, arrays, &face);
    face.assets = read_assets(arrays, count, int64_t(face.triangles.size() / 3), manifest.coefficients());
    const std::string digest = sha256_hex(face.triangles.data(), face.triangles.size() * sizeof(int32_t));
    if (digest != manifest.faces_sha256) manifest_fault(kFace, "faces", "SHA-256 " + digest, manifest.faces_sha256);
    return face;
}

Golden read_golden(const Manifest& manifest, const Bytes& file, Allowance& allowance) {
    Arrays arrays = read_arrays(kGolden, file.data(), file.size(), allowance);
    const std::string prefix = "condition.";
    std::set<std::string> known = {"audio", "frames"};
    for (const ConditionSpec& condition : manifest.conditions) known.insert(prefix + condition.name);
    for (const StageSpec& stage : manifest.stages)
        for (const TensorSpec& output : stage.outputs) known.insert(stage.name + "." + output.name);
    refuse_unknown(kGolden, arrays, known, manifest.format);
    Golden golden;
    golden.audio = require_array(arrays, kGolden, "audio", {-1}, "<f4").values<float>();
    if (golden.audio.empty()) manifest_fault(kGolden, "audio", "no samples", "the samples of a short sound");
    check_finite(kGolden, "audio", golden.audio);
    golden.frames = require_array(arrays, kGolden, "frames", {-1}, "<i8").values<int64_t>();
    for (const int64_t frame : golden.frames)
        if (frame < 0 || frame >= kMostFrame) manifest_fault(kGolden, "frames", std::to_string(frame), "numbers of frames");
    for (const auto& [name, array] : arrays) {
        if (!starts_with(name, prefix)) continue;
        const std::string condition = name.substr(prefix.size());
        const int64_t size = int64_t(manifest.conditions[size_t(manifest.condition(condition))].initial.size());
        golden.conditions[condition] = require_array(arrays, kGolden, name, {size}, "<f4").values<float>();
        check_finite(kGolden, name, golden.conditions[condition]);
    }
    for (auto& [name, array] : arrays) {
        if (name == "audio" || name == "frames" || starts_with(name, prefix)) continue;
        const auto [stage, index] = manifest.source(name);
        const TensorSpec& output = manifest.stages[size_t(stage)].outputs[size_t(index)];
        std::vector<int64_t> shape = {-1};
        for (size_t axis = 2; axis < output.shape.size(); ++axis) shape.push_back(output.shape[axis].at(0));
        // With or without a batch axis of 1.
        if (array.shape.size() == shape.size() + 1) shape.insert(shape.begin(), 1);
        require_array(arrays, kGolden, name, shape, dtype_code(output.dtype));
        if (output.dtype == DType::float32) check_finite(kGolden, name, array.values<float>());
        if (output.dtype == DType::float16)
            for (const uint16_t bits : array.values<uint16_t>())
                if ((bits & 0x7C00) == 0x7C00) manifest_fault(kGolden, name, "NaN or infinite values", "finite values");
        golden.outputs[name] = std::move(array);
    }
    return golden;
}

}  // namespace emoface::runtime
