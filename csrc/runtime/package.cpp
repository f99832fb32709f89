#include "package.h"

#include <algorithm>

#include "engine.h"
#include "failure.h"
#include "graph_check.h"
#include "package_files.h"
#include "sha256.h"
#include "textures.h"

namespace emoface::runtime {

Package::Package(const FileSource& source) {
    const Bytes text = source.read("manifest.json", kMostManifestBytes);
    manifest_ = read_manifest(text.data(), text.size());
    manifest_text_.assign(text.begin(), text.end());
    digest_ = sha256_hex(text.data(), text.size());
    std::vector<std::string> names = source.names();
    std::sort(names.begin(), names.end());
    for (const std::string& name : names)
        if (name != "manifest.json" && manifest_.files.count(name) == 0)
            fail(EMOFACE_ERROR_PACKAGE_INTEGRITY, source.what() + ": " + shown_key(name) + ": not in the manifest",
                 "only files that it lists", kFetch);
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
    face_ = read_face(manifest_, files_.at("face.npz"), source.allowance());
    golden_ = read_golden(manifest_, files_.at("golden.npz"), source.allowance());
    check_textures(manifest_, files_);
}

std::shared_ptr<Package> Package::open(const std::string& path) {
    const std::unique_ptr<FileSource> source = open_files(path);
    return std::make_shared<Package>(*source);
}

std::shared_ptr<Package> Package::open(const void* data, size_t size) {
    const std::unique_ptr<FileSource> source = zip_files(data, size);
    return std::make_shared<Package>(*source);
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

}  // namespace emoface::runtime
