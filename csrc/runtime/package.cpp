#include "package.h"

#include <algorithm>

#include "engine.h"
#include "failure.h"
#include "graph_check.h"
#include "package_files.h"
#include "sha256.h"

namespace emoface::runtime {

Package::Package(const FileSource& source) {
    const Bytes text = source.read("manifest.json", kMostManifestBytes);
    manifest_ = read_manifest(text.data(), text.size());
    manifest_text_.assign(text.begin(), text.end());
    digest_ = sha256_hex(text.data(), text.size());
    for (const auto& [name, entry] : manifest_.files) {
        Bytes bytes = source.read(name, entry.bytes);
        if (bytes.size() != entry.bytes)
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, name + ": " + std::to_string(bytes.size()) + " bytes",
                 std::to_string(entry.bytes) + " bytes (files." + name + ".bytes)", kFetch);
        const std::string digest = sha256_hex(bytes.data(), bytes.size());
        if (digest != entry.sha256)
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, name + ": SHA-256 " + digest,
                 entry.sha256 + " (files." + name + ".sha256)", kFetch);
        files_.emplace(name, std::move(bytes));
    }
    check_graphs(manifest_, files_);
    face_ = read_face(manifest_, files_.at("face.npz"));
}

std::shared_ptr<Package> Package::open(const std::string& path) {
    const std::unique_ptr<FileSource> source = open_files(path);
    return std::make_shared<Package>(*source);
}

std::shared_ptr<Package> Package::open(const void* data, size_t size) {
    const ZipSource source(static_cast<const uint8_t*>(data), size, "the package in memory");
    return std::make_shared<Package>(source);
}

Golden Package::golden() const {
    const Bytes& file = files_.at("golden.npz");
    Golden golden;
    for (auto& [name, array] : read_arrays("golden.npz", file.data(), file.size())) {
        constexpr char prefix[] = "condition.";
        if (name == "audio") golden.audio = array.values<float>();
        else if (name == "frames") golden.frames = array.values<int64_t>();
        else if (name.compare(0, sizeof prefix - 1, prefix) == 0)
            golden.conditions[name.substr(sizeof prefix - 1)] = array.values<float>();
        else golden.outputs[name] = array;
    }
    if (golden.audio.empty()) manifest_fault("golden.npz", "audio", "nothing", "an array");
    return golden;
}

std::shared_ptr<Engine> Package::engine(const std::string& backend, const std::string& precision, int threads) {
    const std::vector<std::string> offered = manifest_.precisions();
    const std::string chosen = precision.empty() ? manifest_.default_precision : precision;
    if (std::find(offered.begin(), offered.end(), chosen) == offered.end()) {
        std::string list;
        for (const std::string& name : offered) list += (list.empty() ? "" : ", ") + name;
        fail(EMOFACE_ERROR_PACKAGE, "precision = " + chosen, "one of " + list,
             "Choose another, or export the package with it.");
    }
    const std::string key = backend + " " + chosen + " " + std::to_string(threads);
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Engine>& engine = engines_[key];
    if (!engine) engine = std::make_shared<Engine>(*this, backend, chosen, threads);
    return engine;
}

namespace {

// Names and offsets [S, V, 3] at weight 1, stored as float32, or as int16 multiples of a step per shape.
void read_blendshapes(const Arrays& arrays, int64_t vertices, Face* face) {
    const char* const what = "face.npz";
    const auto stored = arrays.find("blendshapes");
    if (stored == arrays.end()) return;
    const auto names = arrays.find("blendshape_names");
    if (names == arrays.end() || names->second.shape.size() != 1)
        manifest_fault(what, "blendshape_names", "nothing", "one name per shape");
    face->blendshape_names = names->second.texts();
    const int64_t count = int64_t(face->blendshape_names.size());
    for (size_t i = 0; i < face->blendshape_names.size(); ++i)
        for (size_t j = 0; j <= i; ++j)
            if (face->blendshape_names[i].empty() || (i != j && face->blendshape_names[i] == face->blendshape_names[j]))
                manifest_fault(what, "blendshape_names", "'" + face->blendshape_names[i] + "'", "distinct names");
    if (stored->second.dtype == "<f4") {
        face->blendshapes = require_array(arrays, what, "blendshapes", {count, vertices, 3}, "<f4").values<float>();
    } else {
        const Array& array = require_array(arrays, what, "blendshapes", {count, vertices, 3}, "<i2");
        const std::vector<float> step = require_array(arrays, what, "blendshape_step", {count}, "<f4").values<float>();
        const std::vector<int16_t> whole = array.values<int16_t>();
        face->blendshapes.resize(whole.size());
        for (size_t i = 0; i < whole.size(); ++i)
            face->blendshapes[i] = float(whole[i]) * step[i / (whole.size() / step.size())];
    }
    for (const float value : face->blendshapes)
        if (!(value - value == 0)) manifest_fault(what, "blendshapes", "NaN or infinite offsets", "finite offsets");
}

}  // namespace

Face read_face(const Manifest& manifest, const Bytes& file) {
    const char* const what = "face.npz";
    const Arrays arrays = read_arrays(what, file.data(), file.size());
    const int64_t count = manifest.vertices;
    Face face;
    face.vertices = require_array(arrays, what, "template", {count, 3}, "<f4").values<float>();
    face.triangles = require_array(arrays, what, "faces", {-1, 3}, "<i4").values<int32_t>();
    face.colours = require_array(arrays, what, "colours", {count, 3}, "<f4").values<float>();
    const auto check_indices = [&](const std::string& key, const std::vector<int32_t>& indices) {
        for (const int32_t index : indices)
            if (index < 0 || index >= count)
                manifest_fault(what, key, "index " + std::to_string(index),
                               "vertex indices from 0 to " + std::to_string(count - 1));
    };
    check_indices("faces", face.triangles);
    for (const auto& [name, array] : arrays) {
        if (name.compare(0, 5, "mask_") != 0) continue;
        face.mask_names.push_back(name.substr(5));
        face.masks.push_back(require_array(arrays, what, name, {-1}, "<i4").values<int32_t>());
        check_indices(name, face.masks.back());
    }
    read_blendshapes(arrays, count, &face);
    for (const float value : face.vertices)
        if (!(value - value == 0)) manifest_fault(what, "template", "NaN or infinite coordinates", "finite coordinates");
    const std::string digest = sha256_hex(face.triangles.data(), face.triangles.size() * sizeof(int32_t));
    if (digest != manifest.faces_sha256) manifest_fault(what, "faces", "SHA-256 " + digest, manifest.faces_sha256);
    return face;
}

}  // namespace emoface::runtime
