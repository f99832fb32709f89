// emoface.h: versions, errors, ONNX Runtime and packages.
#include <algorithm>
#include <cstddef>

#include "handles.h"
#include "ort_library.h"
#include "package_files.h"
#include "person.h"

using namespace emoface::runtime;

namespace {

emoface_status adopt(std::shared_ptr<Package> package, emoface_package** handle) {
    auto made = std::make_unique<emoface_package>();
    const Manifest& manifest = package->manifest();
    made->names = {manifest.choices("style"), manifest.choices("emotion"), manifest.choices("level"),
                   package->face().mask_names, package->face().blendshape_names, manifest.precisions()};
    made->names.emplace_back();
    for (const ConditionSpec& spec : manifest.conditions) made->names.back().push_back(spec.name);
    made->names.emplace_back();
    for (const auto& [name, identity] : package->face().assets.identities) made->names.back().push_back(name);
    made->names.emplace_back();
    for (const auto& [name, file] : manifest.textures) made->names.back().push_back(name);
    made->names.push_back(manifest.coefficients() ? package->face().motion_names() : std::vector<std::string>());
    made->names.push_back(manifest.choices("person"));
    made->package = std::move(package);
    *handle = made.release();
    return EMOFACE_OK;
}

// Files that the caller has read.
class GivenFiles : public FileSource {
public:
    GivenFiles(const emoface_file* files, int64_t count) : FileSource("the files given", 0) {
        for (int64_t i = 0; i < count; ++i) {
            require_pointer(files[i].name, "files[].name");
            if (files[i].size < 0)
                fail(EMOFACE_ERROR_ARGUMENT, "files[].size = " + std::to_string(files[i].size), "0 or more", "Pass the number of bytes.");
            if (files[i].size > 0) require_pointer(files[i].data, "files[].data");
            if (!files_.emplace(files[i].name, std::pair(static_cast<const uint8_t*>(files[i].data), size_t(files[i].size))).second)
                fail(EMOFACE_ERROR_ARGUMENT, std::string(files[i].name) + " twice", "one of each name", "Pass each file once.");
            allowance().spend(0, uint64_t(files[i].size));
        }
    }
    Bytes read(const std::string& name, uint64_t limit) const override {
        const auto found = files_.find(name);
        if (found == files_.end()) fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, name + ": no such file", "every file of the package", kFetch);
        const auto [data, size] = found->second;
        if (size > limit)
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, name + ": " + std::to_string(size) + " bytes",
                 "at most " + std::to_string(limit), kFetch);
        if (!allowance().spend(size)) refuse_bomb(name, size);
        return Bytes(data, data + size);
    }
    std::vector<std::string> names() const override {
        std::vector<std::string> names;
        for (const auto& [name, bytes] : files_) names.push_back(name);
        return names;
    }

private:
    std::map<std::string, std::pair<const uint8_t*, size_t>> files_;
};

const std::vector<std::string>* list_of(const emoface_package* package, int32_t list) {
    if (package == nullptr || list < 0 || size_t(list) >= package->names.size()) return nullptr;
    return &package->names[size_t(list)];
}

const FaceIdentity* identity_of(const emoface_package* package, const char* name) {
    if (package == nullptr || name == nullptr) return nullptr;
    const auto& identities = package->package->face().assets.identities;
    const auto found = identities.find(name);
    return found == identities.end() ? nullptr : &found->second;
}

struct Name {
    emoface_status status;
    const char* text;
};

constexpr Name kNames[] = {
#include "status_names.inl"
};

}  // namespace

extern "C" {

const char* emoface_version(void) { return EMOFACE_VERSION; }

int32_t emoface_abi_version(void) { return EMOFACE_ABI_VERSION; }

const char* emoface_status_name(emoface_status status) {
    for (const Name& name : kNames)
        if (name.status == status) return name.text;
    return "UNKNOWN";
}

const char* emoface_last_error(void) { return last_error(); }

const char* emoface_last_error_part(int32_t part) { return last_error_part(part); }

emoface_status emoface_set_log(emoface_log_callback callback, void* user) {
    return guarded([&] {
        set_log(callback, user);
        return EMOFACE_OK;
    });
}

emoface_status emoface_onnxruntime_load(const char* library_path) {
    return guarded([&] {
        load_onnxruntime(library_path ? library_path : "");
        return EMOFACE_OK;
    });
}

const char* emoface_onnxruntime_version(void) { return onnxruntime_version(); }

const char* emoface_onnxruntime_path(void) { return onnxruntime_path(); }

emoface_status emoface_package_open(const char* path, emoface_package** package) {
    return guarded([&] {
        require_pointer(path, "path");
        require_pointer(package, "package");
        *package = nullptr;
        return adopt(Package::open(std::string(path)), package);
    });
}

emoface_status emoface_package_open_memory(const void* data, int64_t size, emoface_package** package) {
    return guarded([&] {
        require_pointer(data, "data");
        require_pointer(package, "package");
        *package = nullptr;
        if (size < 0) fail(EMOFACE_ERROR_ARGUMENT, "size = " + std::to_string(size), "0 or more", "Pass the number of bytes.");
        return adopt(Package::open(data, size_t(size)), package);
    });
}

emoface_status emoface_package_open_files(const emoface_file* files, int64_t count, emoface_package** package) {
    return guarded([&] {
        require_pointer(package, "package");
        *package = nullptr;
        if (count < 0) fail(EMOFACE_ERROR_ARGUMENT, "count = " + std::to_string(count), "0 or more", "Pass the number of files.");
        if (count > 0) require_pointer(files, "files");
        return adopt(std::make_shared<Package>(GivenFiles(files, count)), package);
    });
}

void emoface_package_release(emoface_package* package) { delete package; }

emoface_status emoface_package_get_info(const emoface_package* package, emoface_package_info* result) {
    return guarded([&] {
        require_pointer(package, "package");
        require_struct(result, "emoface_package_info", offsetof(emoface_package_info, has_head_pose));
        emoface_package_info found{};
        emoface_package_info* const info = &found;
        const Manifest& manifest = package->package->manifest();
        const auto ms = [&](int64_t features) { return int32_t(1000 * features / manifest.clock.feature_rate); };
        info->format = int32_t(manifest.format);
        info->fps = int32_t(manifest.clock.fps);
        info->sample_rate = int32_t(manifest.clock.sample_rate);
        info->vertices = int32_t(manifest.vertices);
        info->triangles = int32_t(package->package->face().triangles.size() / 3);
        info->emotions = manifest.outputs.count("emotion") ? int32_t(manifest.emotions.size()) : 0;
        info->has_weights = int32_t(manifest.outputs.count("emotion_weight"));
        info->blendshapes = int32_t(package->package->face().blendshape_names.size());
        info->latency_samples = int32_t(manifest.latency_samples);
        info->block_ms = ms(manifest.clock.block_features);
        info->least_block_ms = ms(manifest.least_block);
        info->longest_block_ms = ms(manifest.longest_block);
        info->reserved = 0;
        info->unit_in_metres = manifest.unit_in_metres;
        info->motion_range = manifest.motion_range_m;
        info->has_head_pose = int32_t(manifest.outputs.count("head_rotation"));
        info->has_arousal = int32_t(manifest.outputs.count("arousal"));
        info->has_valence = int32_t(manifest.outputs.count("valence"));
        info->has_confidence = int32_t(manifest.outputs.count("confidence"));
        info->coefficients = int32_t(manifest.coefficients());
        info->has_emotion_coefficients = int32_t(manifest.outputs.count("emotion_coefficients"));
        found.struct_size = result->struct_size;
        std::memcpy(result, &found, found.struct_size);
        return EMOFACE_OK;
    });
}

const char* emoface_package_text(const emoface_package* package, int32_t text) {
    if (package == nullptr) return "";
    const Package& loaded = *package->package;
    switch (text) {
        case EMOFACE_TEXT_NAME: return loaded.manifest().name.c_str();
        case EMOFACE_TEXT_FAMILY: return loaded.manifest().family.c_str();
        case EMOFACE_TEXT_LICENCE: return loaded.manifest().licence.c_str();
        case EMOFACE_TEXT_AXES: return loaded.manifest().axes.c_str();
        case EMOFACE_TEXT_DEFAULT_PRECISION: return loaded.manifest().default_precision.c_str();
        case EMOFACE_TEXT_DIGEST: return loaded.digest().c_str();
        case EMOFACE_TEXT_FACES_SHA256: return loaded.manifest().faces_sha256.c_str();
        case EMOFACE_TEXT_MODEL_SHA256: return loaded.manifest().model_sha256.c_str();
        case EMOFACE_TEXT_MANIFEST: return loaded.manifest_text().c_str();
        default: return "";
    }
}

int32_t emoface_package_name_count(const emoface_package* package, int32_t list) {
    const auto* names = list_of(package, list);
    return names ? int32_t(names->size()) : 0;
}

const char* emoface_package_name(const emoface_package* package, int32_t list, int32_t index) {
    const auto* names = list_of(package, list);
    return names && index >= 0 && size_t(index) < names->size() ? (*names)[size_t(index)].c_str() : nullptr;
}

emoface_status emoface_read_person(const emoface_package* package, const char* condition, const void* json, int64_t size,
                                   float* values, int64_t capacity, int64_t* count) {
    return guarded([&]() -> emoface_status {
        require_pointer(package, "package");
        require_pointer(condition, "condition");
        require_pointer(count, "count");
        *count = 0;
        if (size < 0) fail(EMOFACE_ERROR_ARGUMENT, "size = " + std::to_string(size), "0 or more", "Pass the number of bytes.");
        if (size > 0) require_pointer(json, "json");
        const std::vector<float> vector =
            person_condition(package->package->manifest(), condition, static_cast<const uint8_t*>(json), size);
        *count = int64_t(vector.size());
        if (values == nullptr && capacity == 0) return EMOFACE_OK;
        require_pointer(values, "values");
        if (capacity < *count)
            return refuse(EMOFACE_ERROR_BUFFER_TOO_SMALL, "room for " + std::to_string(capacity) + " value(s)",
                          std::to_string(*count), "Pass a larger array; nothing was written.");
        std::copy(vector.begin(), vector.end(), values);
        return EMOFACE_OK;
    });
}

const float* emoface_package_template(const emoface_package* package) {
    return package ? package->package->face().vertices.data() : nullptr;
}

const int32_t* emoface_package_faces(const emoface_package* package) {
    return package ? package->package->face().triangles.data() : nullptr;
}

const float* emoface_package_colours(const emoface_package* package) {
    return package ? package->package->face().colours.data() : nullptr;
}

const float* emoface_package_identity(const emoface_package* package, const char* name) {
    const FaceIdentity* found = identity_of(package, name);
    return found ? found->vertices.data() : nullptr;
}

const float* emoface_package_pivots(const emoface_package* package, const char* identity) {
    if (package == nullptr) return nullptr;
    const auto& pivots = package->package->face().assets.pivots;
    if (identity == nullptr) return pivots ? pivots->data() : nullptr;
    const FaceIdentity* found = identity_of(package, identity);
    if (found == nullptr) return nullptr;
    return found->pivots ? found->pivots->data() : pivots ? pivots->data() : nullptr;
}

const float* emoface_package_uvs(const emoface_package* package, int64_t* count) {
    if (count != nullptr) *count = 0;
    if (package == nullptr || !package->package->face().assets.uvs) return nullptr;
    const std::vector<float>& uvs = *package->package->face().assets.uvs;
    if (count != nullptr) *count = int64_t(uvs.size() / 2);
    return uvs.data();
}

const int32_t* emoface_package_uv_faces(const emoface_package* package) {
    if (package == nullptr || !package->package->face().assets.uv_faces) return nullptr;
    return package->package->face().assets.uv_faces->data();
}

const int32_t* emoface_package_normal_groups(const emoface_package* package) {
    if (package == nullptr || !package->package->face().assets.normal_groups) return nullptr;
    return package->package->face().assets.normal_groups->data();
}

const void* emoface_package_texture(const emoface_package* package, const char* name, int64_t* size) {
    if (size != nullptr) *size = 0;
    if (package == nullptr || name == nullptr) return nullptr;
    const auto& textures = package->package->manifest().textures;
    const auto found = textures.find(name);
    if (found == textures.end()) return nullptr;
    const Bytes& image = package->package->file(found->second);
    if (size != nullptr) *size = int64_t(image.size());
    return image.data();
}

const int32_t* emoface_package_mask(const emoface_package* package, const char* name, int64_t* count) {
    if (count != nullptr) *count = 0;
    if (package == nullptr || name == nullptr) return nullptr;
    const Face& face = package->package->face();
    for (size_t i = 0; i < face.masks.size(); ++i) {
        if (face.mask_names[i] != name) continue;
        // An empty region is a region, too.
        static const int32_t nothing = 0;
        if (count != nullptr) *count = int64_t(face.masks[i].size());
        return face.masks[i].empty() ? &nothing : face.masks[i].data();
    }
    return nullptr;
}

const float* emoface_package_blendshape(const emoface_package* package, int32_t index) {
    if (package == nullptr || index < 0) return nullptr;
    const Face& face = package->package->face();
    if (size_t(index) >= face.blendshape_names.size()) return nullptr;
    return face.blendshapes.data() + size_t(index) * face.vertices.size();
}

const float* emoface_package_basis(const emoface_package* package, const char* identity, int32_t index) {
    if (package == nullptr || index < 0 || index >= package->package->manifest().coefficients()) return nullptr;
    const Face& face = package->package->face();
    const FaceIdentity* const found = identity_of(package, identity);
    if (identity != nullptr && found == nullptr) return nullptr;
    const std::vector<float>& basis = found == nullptr || found->basis.empty() ? face.motion_basis() : found->basis;
    return basis.data() + size_t(index) * face.vertices.size();
}

}  // extern "C"
