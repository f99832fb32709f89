// manifest.json of package formats 1 and 2, checked whole. See docs/package-format.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clock.h"

namespace emoface::runtime {

// Format 2 is format 1 and more.
constexpr int64_t kNewestFormat = 2;
constexpr int64_t kMostNoiseValues = int64_t(1) << 16;
constexpr int64_t kMostCoefficients = 4096;
constexpr int kNoNoise = -2;
constexpr uint64_t kMostManifestBytes = uint64_t(4) << 20;
constexpr uint64_t kMostFileBytes = uint64_t(4) << 30;

enum class DType { float32, float16, int64, int32 };
size_t dtype_size(DType dtype);
const char* dtype_name(DType dtype);
const char* dtype_code(DType dtype);  // NumPy's: "<f4"

// One axis: `factor` n + `offset`, the batch, which is 1 in this runtime, or the rows of a clip, which has no place in it.
struct Extent {
    int64_t factor = 0;
    int64_t offset = 0;
    bool batch = false;
    bool rows = false;
    int64_t at(int64_t n) const { return batch ? 1 : rows ? n : factor * n + offset; }
    bool fixed() const { return !batch && !rows && factor == 0; }
};
bool operator==(const Extent& a, const Extent& b);

using Shape = std::vector<Extent>;
std::vector<int64_t> concrete(const Shape& shape, int64_t n);
std::string text_of(const Shape& shape);

enum class Cadence { block, frames, frame };

struct TensorSpec {
    std::string name;
    std::string source;  // of an input: audio, condition.<name> or <stage>.<output>
    Shape shape;
    DType dtype = DType::float32;
    double initial = 0.0;    // of a state
    int64_t batch_axis = 0;  // of a state
};

struct StageSpec {
    std::string name;
    Cadence cadence = Cadence::block;
    std::map<std::string, std::string> files;  // precision -> file
    std::vector<TensorSpec> inputs, outputs, state;

    // The file for a precision, fp32 where there is none of its own; null where there is neither.
    const std::string* file(const std::string& precision) const;
    int output(std::string_view name) const;  // index or -1
};

struct ConditionSpec {
    std::string name;
    int64_t size = 0;
    std::vector<float> initial;
};

// Standard normal values that stages read: the shape of those of one frame or feature. Of format 2.
struct NoiseSpec {
    std::string name;
    std::vector<int64_t> shape;
    int64_t size = 0;  // values
};

struct FileEntry {
    std::string sha256;
    uint64_t bytes = 0;
};

struct Manifest {
    std::string name, family, licence, axes, default_precision, faces_sha256;
    std::string model_sha256;  // of the weights, which person files name; empty where there is none
    Clock clock;
    int64_t format = 0, least_block = 0, longest_block = 0, latency_samples = 0, vertices = 0;
    double unit_in_metres = 1.0, motion_range_m = 0.0;
    std::vector<std::string> styles, emotions, levels, persons;
    std::vector<ConditionSpec> conditions;
    std::vector<NoiseSpec> noise;  // by name: their numbers
    std::vector<StageSpec> stages;
    std::map<std::string, std::string> outputs;  // role -> <stage>.<output>
    std::map<std::string, std::string> textures;  // name -> file
    std::map<std::string, FileEntry> files;
    // precision -> limits that the exporter stated
    std::map<std::string, std::pair<double, double>> tolerances;  // relative, offsets_mm; negative: not stated

    std::vector<std::string> precisions() const;
    int condition(std::string_view name) const;  // index or -1
    // Names of a condition's entries; `emotion` ends with "auto" where the vector has the unknown class.
    std::vector<std::string> choices(std::string_view condition) const;
    int stage(std::string_view name) const;  // index or -1
    // Index of the noise that a source names; -1 where there is none of the name, kNoNoise for other sources.
    int noise_of(std::string_view source) const;
    // Stage and output of "<stage>.<output>"; {-1, -1} where there is none.
    std::pair<int, int> source(const std::string& key) const;
    // R, a frame's coefficients in the motion basis of the face; 0 where the package gives none.
    int64_t coefficients() const;
    // What a frame's output of a role is shaped like; nothing where the format does not know the role.
    std::optional<std::vector<int64_t>> role_shape(std::string_view role) const;
};

// Read and check; Failure (PACKAGE_FORMAT or MANIFEST).
Manifest read_manifest(const uint8_t* text, size_t size);

// Relations between fields; Failure (MANIFEST) for the first that is wrong.
void check_manifest(const Manifest& manifest);

// A plain file name on every system: no path, no device, nothing hidden; at most 128 letters, digits, '_', '.', '-'.
bool plain_file_name(std::string_view name);

// UTF-8 of 1 to 1000 characters, none of them a control character.
bool plain_text(std::string_view text);

// A key as it stands in the path of a field: printable ASCII, 64 characters at most.
std::string shown_key(std::string_view key);

}  // namespace emoface::runtime
