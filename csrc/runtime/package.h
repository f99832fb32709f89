// A loaded package: immutable but for the cache of its engines; shared by any number of animators and threads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arrays.h"
#include "manifest.h"

namespace emoface::runtime {

class Engine;

// Where a package's files come from. `read` returns a file of at most `limit` bytes or throws Failure.
class FileSource {
public:
    virtual ~FileSource() = default;
    virtual Bytes read(const std::string& name, uint64_t limit) const = 0;
};

struct Face {
    std::vector<float> vertices, colours;  // template and linear albedo, [V, 3]
    std::vector<int32_t> triangles;        // [F, 3]
    std::vector<std::string> mask_names;
    std::vector<std::vector<int32_t>> masks;
    std::vector<std::string> blendshape_names;
    std::vector<float> blendshapes;  // [S, V, 3]
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
    Golden golden() const;

    // The graphs for a backend, precision and number of threads: loaded once. Null precision is the package's own.
    std::shared_ptr<Engine> engine(const std::string& backend, const std::string& precision, int threads);

private:
    std::string manifest_text_, digest_;
    Manifest manifest_;
    std::map<std::string, Bytes> files_;
    Face face_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Engine>> engines_;
};

// face.npz as the manifest describes it; Failure (MANIFEST).
Face read_face(const Manifest& manifest, const Bytes& file);

}  // namespace emoface::runtime
