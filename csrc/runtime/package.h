// A loaded package: immutable but for the cache of its engines; shared by any number of animators and threads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arrays.h"
#include "face_assets.h"
#include "manifest.h"

namespace emoface::runtime {

class Engine;

// The bytes that may still come out of a package of `stored` bytes, arrays included: kFree, and kMostRatio for each of its
// own. As emoface.package_files has it.
class Allowance {
public:
    static constexpr int64_t kFree = int64_t(64) << 20, kMostRatio = 100;
    explicit Allowance(uint64_t stored = 0) : left_(kFree + kMostRatio * int64_t(stored)) {}
    // Whether `wanted` bytes more are allowed, now that `stored` bytes more were found.
    bool spend(uint64_t wanted, uint64_t stored = 0) {
        left_ += kMostRatio * int64_t(stored) - int64_t(wanted);
        return left_ >= 0;
    }

private:
    int64_t left_;
};

// Where a package's files come from. `read` returns a file of at most `limit` bytes or throws Failure.
class FileSource {
public:
    FileSource(std::string what, uint64_t stored) : what_(std::move(what)), allowance_(stored) {}
    virtual ~FileSource() = default;
    virtual Bytes read(const std::string& name, uint64_t limit) const = 0;
    // Every file there is but those that are never opened.
    virtual std::vector<std::string> names() const = 0;
    // The package as errors name it.
    const std::string& what() const { return what_; }
    Allowance& allowance() const { return allowance_; }

private:
    std::string what_;
    mutable Allowance allowance_;
};

struct Face {
    std::vector<float> vertices, colours;  // template and linear albedo, [V, 3]
    std::vector<int32_t> triangles;        // [F, 3]
    std::vector<std::string> mask_names;
    std::vector<std::vector<int32_t>> masks;
    std::vector<std::string> blendshape_names;
    std::vector<float> blendshapes;  // [S, V, 3]
    FaceAssets assets;
    // The motion basis that the package's coefficients are of, [R, V, 3]; none where it is the blendshapes, or there are
    // no coefficients.
    std::vector<std::string> basis_names;
    std::vector<float> basis;
    const std::vector<float>& motion_basis() const { return basis.empty() ? blendshapes : basis; }
    const std::vector<std::string>& motion_names() const { return basis.empty() ? blendshape_names : basis_names; }
};

struct Golden {
    std::vector<float> audio;
    std::vector<int64_t> frames;
    std::map<std::string, std::vector<float>> conditions;
    Arrays outputs;  // <stage>.<output>
};

class Package {
public:
    // Reads and verifies every file that the manifest lists.
    explicit Package(const FileSource& source);
    // A folder or an .emoface file; the path is UTF-8.
    static std::shared_ptr<Package> open(const std::string& path);
    // The bytes of an .emoface file.
    static std::shared_ptr<Package> open(const void* data, size_t size);

    const Manifest& manifest() const { return manifest_; }
    const std::string& manifest_text() const { return manifest_text_; }
    const std::string& digest() const { return digest_; }
    const Face& face() const { return face_; }
    const Bytes& file(const std::string& name) const { return files_.at(name); }
    const Golden& golden() const { return golden_; }

    // The graphs for a backend, precision and number of threads: loaded once. Null precision is the package's own.
    std::shared_ptr<Engine> engine(const std::string& backend, const std::string& precision, int threads);

private:
    std::string manifest_text_, digest_;
    Manifest manifest_;
    std::map<std::string, Bytes> files_;
    Face face_;
    Golden golden_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Engine>> engines_;
};

// face.npz and golden.npz as the manifest describes them; Failure (MANIFEST, PACKAGE_INTEGRITY).
Face read_face(const Manifest& manifest, const Bytes& file, Allowance& allowance);
Golden read_golden(const Manifest& manifest, const Bytes& file, Allowance& allowance);

}  // namespace emoface::runtime
