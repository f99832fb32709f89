// What relates the fields of a manifest to each other: sources, cadences, shapes, files, latency.
#include <cmath>
#include <limits>
#include <set>

#include "affect.h"
#include "failure.h"
#include "manifest.h"

namespace emoface::runtime {
namespace {

[[noreturn]] void fault(const std::string& field, const std::string& got, const std::string& expected) {
    manifest_fault("manifest.json", field, got, expected);
}

// As emoface.manifest_checks: an input or output may hold this many values at n = 1000, all states together that many.
constexpr double kMostValues = double(int64_t(1) << 33), kMostStateValues = double(int64_t(1) << 28);
constexpr uint64_t kMostPackageBytes = uint64_t(8) << 30;

std::string lower(std::string text) {
    for (char& letter : text)
        if (letter >= 'A' && letter <= 'Z') letter = char(letter + 32);
    return text;
}

void check_files(const Manifest& manifest) {
    std::set<std::string> folded;
    uint64_t total = 0;
    for (const auto& [name, entry] : manifest.files) {
        const std::string field = "files." + shown_key(name);
        if (!plain_file_name(name)) fault(field, "'" + shown_key(name) + "'", "a plain file name: letters, digits, '_', '.', '-'");
        // One folder cannot hold both on every system, nor a list its own hash.
        if (!folded.insert(lower(name)).second || lower(name) == "manifest.json")
            fault(field, "'" + name + "'", "names that differ in more than case, and not manifest.json");
        total += entry.bytes;
    }
    if (total > kMostPackageBytes) fault("files", std::to_string(total) + " bytes in all", "at most " + std::to_string(kMostPackageBytes));
}

double values_of(const Shape& shape) {
    double values = 1;
    for (const Extent& extent : shape) values *= double(extent.at(1000));
    return values;
}

void check_name(const std::string& name, const std::string& field) {
    bool fits = !name.empty() && name.size() <= 64 && name[0] >= 'a' && name[0] <= 'z';
    for (const char c : name) fits = fits && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    if (!fits) fault(field, "'" + name + "'", "a lower-case identifier");
}

bool known_precision(const std::string& name) { return name == "fp32" || name == "fp16" || name == "int8"; }

void check_clock(const Manifest& manifest) {
    const Clock& clock = manifest.clock;
    if (clock.hop * clock.feature_rate != clock.sample_rate)
        fault("hop", std::to_string(clock.hop), "sample_rate / feature_rate");
    if (clock.block_features < manifest.least_block || clock.block_features > manifest.longest_block)
        fault("block_features", std::to_string(clock.block_features), "within allowed_block_features");
    const int64_t latency = clock.latency(clock.sample_rate, [](int64_t samples) { return samples; });
    if (manifest.latency_samples != latency)
        fault("latency_samples", std::to_string(manifest.latency_samples), std::to_string(latency) + " (docs/streaming.md)");
}

void check_conditions(const Manifest& manifest) {
    for (const ConditionSpec& spec : manifest.conditions) {
        check_name(spec.name, "conditions." + shown_key(spec.name));
        if (spec.size != int64_t(spec.initial.size()))
            fault("conditions." + spec.name + ".default", std::to_string(spec.initial.size()) + " values",
                  "shape [" + std::to_string(spec.size) + "]");
    }
    const auto fits = [&](const char* name, const std::vector<std::string>& names, size_t extra) {
        const int index = manifest.condition(name);
        if (index < 0) return;
        const size_t size = manifest.conditions[size_t(index)].initial.size();
        if (size < names.size() || size > names.size() + extra)
            fault(std::string("conditions.") + name + ".shape", std::to_string(size), "as many entries as names");
    };
    fits("style", manifest.styles, 0);
    fits("emotion", manifest.emotions, 1);
    fits("level", manifest.levels, 0);
    if (manifest.format >= 2) fits("person", manifest.persons, 0);  // before, a condition like any other
}

void check_noise(const Manifest& manifest) {
    for (const NoiseSpec& spec : manifest.noise) {
        check_name(spec.name, "noise." + shown_key(spec.name));
        if (spec.size > kMostNoiseValues)
            fault("noise." + spec.name + ".shape", std::to_string(spec.size) + " values",
                  "at most " + std::to_string(kMostNoiseValues) + " values");
    }
}

void check_tensors(const std::vector<TensorSpec>& specs, const std::string& path) {
    for (size_t i = 0; i < specs.size(); ++i) {
        const std::string at = path + "[" + std::to_string(i) + "]";
        check_name(specs[i].name, at + ".name");
        for (size_t j = 0; j < i; ++j)
            if (specs[j].name == specs[i].name) fault(at + ".name", "'" + specs[i].name + "'", "distinct names");
        bool batch = false;
        for (const Extent& extent : specs[i].shape) batch = batch || extent.batch;
        if (!batch) fault(at + ".shape", text_of(specs[i].shape), "a shape with the batch axis \"B\"");
        if (values_of(specs[i].shape) > kMostValues) fault(at + ".shape", text_of(specs[i].shape), "a tensor that fits in memory");
    }
}

// What a dtype holds exactly or, of floats, finitely.
bool holds(DType dtype, double value) {
    switch (dtype) {
        case DType::float32: return std::fabs(value) <= double(std::numeric_limits<float>::max());
        case DType::float16: return std::fabs(value) <= 65504.0;
        case DType::int32: return std::fabs(value) <= 2147483647.0 && value == std::trunc(value);
        default: return std::fabs(value) <= double(int64_t(1) << 53) && value == std::trunc(value);
    }
}

void check_time_axis(const StageSpec& stage, const Shape& shape, const std::string& field) {
    Extent time;
    (stage.cadence == Cadence::frame ? time.offset : time.factor) = 1;
    bool fits = shape.size() >= 2 && shape[0].batch && shape[1] == time;
    for (size_t axis = 2; fits && axis < shape.size(); ++axis) fits = shape[axis].fixed();
    if (!fits)
        fault(field, text_of(shape), stage.cadence == Cadence::frame ? "[\"B\", 1, integers]" : "[\"B\", \"n\", integers]");
}

void check_audio(const Manifest& manifest, const StageSpec& stage, const TensorSpec& input, const std::string& path) {
    if (stage.cadence != Cadence::block) fault(path + ".source", "'audio'", "a block stage: only block stages read audio");
    Extent batch, samples;
    batch.batch = true;
    samples.factor = manifest.clock.hop;
    samples.offset = manifest.clock.overlap;
    if (input.shape != Shape{batch, samples} || input.dtype != DType::float32)
        fault(path + ".shape", text_of(input.shape) + " " + dtype_name(input.dtype), text_of({batch, samples}) + " float32");
}

void check_source(const Manifest& manifest, size_t stage_index, const TensorSpec& input, const std::string& path) {
    const StageSpec& stage = manifest.stages[stage_index];
    if (input.source == "audio") return check_audio(manifest, stage, input, path);
    const size_t dot = input.source.find('.');
    const std::string owner = input.source.substr(0, dot);
    if (owner == "condition") {
        const int index = dot == std::string::npos ? -1 : manifest.condition(input.source.substr(dot + 1));
        if (index < 0) fault(path + ".source", "'" + input.source + "'", "one of the conditions");
        Extent batch, size;
        batch.batch = true;
        size.offset = int64_t(manifest.conditions[size_t(index)].initial.size());
        if (input.shape != Shape{batch, size} || input.dtype != DType::float32)
            fault(path + ".shape", text_of(input.shape), text_of({batch, size}) + " float32");
        return;
    }
    if (const int noise = manifest.noise_of(input.source); noise != kNoNoise) {
        if (noise < 0) fault(path + ".source", "'" + input.source + "'", "one of the noises");
        const std::vector<int64_t>& shape = manifest.noise[size_t(noise)].shape;
        check_time_axis(stage, input.shape, path + ".shape");
        bool fits = input.shape.size() == shape.size() + 2 && input.dtype == DType::float32;
        for (size_t i = 0; fits && i < shape.size(); ++i) fits = input.shape[i + 2].at(0) == shape[i];
        if (!fits) fault(path + ".shape", text_of(input.shape) + " " + dtype_name(input.dtype), "batch, time, the noise's shape, float32");
        return;
    }
    const auto [source, index] = manifest.source(input.source);
    if (source < 0 || size_t(source) >= stage_index)
        fault(path + ".source", "'" + input.source + "'", "audio, condition.<name> or <earlier stage>.<output>");
    const StageSpec& from = manifest.stages[size_t(source)];
    const TensorSpec& output = from.outputs[size_t(index)];
    if (from.cadence > stage.cadence)
        fault(path + ".source", "'" + input.source + "'", "an output that a stage of this cadence can follow");
    check_time_axis(stage, input.shape, path + ".shape");
    const bool same = Shape(input.shape.begin() + 2, input.shape.end()) == Shape(output.shape.begin() + 2, output.shape.end());
    if (!same || input.dtype != output.dtype)
        fault(path + ".shape", text_of(input.shape) + " " + dtype_name(input.dtype),
              text_of(output.shape) + " " + dtype_name(output.dtype));
    if (from.cadence == Cadence::block && stage.cadence != Cadence::block && output.dtype != DType::float32)
        fault(path + ".source", "'" + input.source + "'", "float32: features are interpolated to the frame rate");
}

void check_stage(const Manifest& manifest, size_t index, double* state_values) {
    const StageSpec& stage = manifest.stages[index];
    const std::string path = "stages[" + std::to_string(index) + "]";
    check_name(stage.name, path + ".name");
    if (size_t(manifest.stage(stage.name)) != index || stage.name == "audio" || stage.name == "condition" ||
        (manifest.format >= 2 && stage.name == "noise"))
        fault(path + ".name", "'" + stage.name + "'", "a name that is not taken");
    if (stage.files.empty()) fault(path + ".files", "nothing", "at least one graph file");
    for (const auto& [precision, file] : stage.files) {
        if (!known_precision(precision)) fault(path + ".files." + shown_key(precision), "'" + shown_key(precision) + "'", "one of fp32, fp16, int8");
        if (!plain_file_name(file)) fault(path + ".files." + precision, "'" + file + "'", "a plain file name inside the package");
        if (manifest.files.count(file) == 0) fault(path + ".files." + precision, "'" + file + "'", "a file listed under `files`");
    }
    check_tensors(stage.inputs, path + ".inputs");
    check_tensors(stage.outputs, path + ".outputs");
    check_tensors(stage.state, path + ".state");
    for (size_t i = 0; i < stage.inputs.size(); ++i)
        check_source(manifest, index, stage.inputs[i], path + ".inputs[" + std::to_string(i) + "]");
    for (size_t i = 0; i < stage.outputs.size(); ++i)
        check_time_axis(stage, stage.outputs[i].shape, path + ".outputs[" + std::to_string(i) + "].shape");
    for (size_t i = 0; i < stage.state.size(); ++i) {
        const TensorSpec& state = stage.state[i];
        const std::string where = path + ".state[" + std::to_string(i) + "]";
        *state_values += values_of(state.shape);
        if (*state_values > kMostStateValues) fault(where + ".shape", "too many values of state in all", "at most 2^28");
        if (state.batch_axis >= int64_t(state.shape.size()) || !state.shape[size_t(state.batch_axis)].batch)
            fault(where + ".batch_axis", std::to_string(state.batch_axis), "the axis of \"B\" in " + text_of(state.shape));
        for (size_t axis = 0; axis < state.shape.size(); ++axis)
            if (int64_t(axis) != state.batch_axis && !state.shape[axis].fixed())
                fault(where + ".shape", text_of(state.shape), "integers and one \"B\": a state has a fixed size");
        if (!holds(state.dtype, state.initial))
            fault(where + ".initial", std::to_string(state.initial), std::string("a value of ") + dtype_name(state.dtype));
    }
}

// Roles of format 2 that come from stages of frames alone, and what else there must be.
const std::map<std::string, std::vector<std::string>> kBeside = {{"head_rotation", {"head_translation"}},
                                                                 {"head_translation", {"head_rotation"}},
                                                                 {"coefficients", {}},
                                                                 {"emotion_coefficients", {"coefficients", "emotion_weight"}}};

void check_outputs(const Manifest& manifest) {
    if (manifest.outputs.count("offsets") == 0 && (manifest.format < 2 || manifest.outputs.count("coefficients") == 0))
        fault("outputs.offsets", "nothing", "<stage>.<output>");
    for (const auto& [role, key] : manifest.outputs) {
        const std::optional<std::vector<int64_t>> shape = manifest.role_shape(role);
        if (!shape) fault("outputs." + shown_key(role), "an unknown output", "only the roles of the manifest's format");
        const std::vector<int64_t>& extents = *shape;
        const auto beside = kBeside.find(role);
        if (beside != kBeside.end())
            for (const std::string& other : beside->second)
                if (manifest.outputs.count(other) == 0)
                    fault("outputs." + other, "nothing", "<stage>.<output>: " + role + " needs " + other);
        const auto [stage, index] = manifest.source(key);
        if (stage < 0) fault("outputs." + role, "'" + key + "'", "<stage>.<output> of a stage in the list");
        const TensorSpec& output = manifest.stages[size_t(stage)].outputs[size_t(index)];
        if (role == "coefficients" && (manifest.coefficients() < 1 || manifest.coefficients() > kMostCoefficients))
            fault("outputs." + role, key + " " + text_of(output.shape),
                  "time, then one axis of at most " + std::to_string(kMostCoefficients) + ", float32");
        bool fits = output.shape.size() == extents.size() + 2 && output.dtype == DType::float32;
        for (size_t i = 0; fits && i < extents.size(); ++i) fits = output.shape[i + 2].at(0) == extents[i];
        if (!fits) fault("outputs." + role, key + " " + text_of(output.shape), "time, then one value per item, float32");
        if (beside != kBeside.end() && manifest.stages[size_t(stage)].cadence == Cadence::block)
            fault("outputs." + role, key + " (block)", "a stage of cadence frames or frame");
    }
}

// Format 1 has none: the field is unknown to its reader.
void check_textures(const Manifest& manifest) {
    for (const auto& [name, file] : manifest.textures) {
        const std::string field = "textures." + shown_key(name);
        check_name(name, field);
        const bool png = file.size() > 4 && file.compare(file.size() - 4, 4, ".png") == 0;
        if (!png || manifest.files.count(file) == 0) fault(field, "'" + file + "'", "a .png file listed under `files`");
    }
}

}  // namespace

size_t dtype_size(DType dtype) {
    switch (dtype) {
        case DType::float16: return 2;
        case DType::int64: return 8;
        default: return 4;
    }
}

const char* dtype_code(DType dtype) {
    switch (dtype) {
        case DType::float32: return "<f4";
        case DType::float16: return "<f2";
        case DType::int64: return "<i8";
        default: return "<i4";
    }
}

const char* dtype_name(DType dtype) {
    switch (dtype) {
        case DType::float32: return "float32";
        case DType::float16: return "float16";
        case DType::int64: return "int64";
        default: return "int32";
    }
}

bool operator==(const Extent& a, const Extent& b) {
    return a.factor == b.factor && a.offset == b.offset && a.batch == b.batch && a.rows == b.rows;
}

std::vector<int64_t> concrete(const Shape& shape, int64_t n) {
    std::vector<int64_t> extents;
    for (const Extent& extent : shape) extents.push_back(extent.at(n));
    return extents;
}

std::string text_of(const Shape& shape) {
    std::string text = "[";
    for (const Extent& extent : shape) {
        if (text.size() > 1) text += ", ";
        if (extent.batch || extent.rows) text += extent.batch ? "\"B\"" : "\"m\"";
        else if (extent.factor == 0) text += std::to_string(extent.offset);
        else text += "\"" + (extent.factor == 1 ? std::string() : std::to_string(extent.factor) + "*") + "n" +
                     (extent.offset ? "+" + std::to_string(extent.offset) : std::string()) + "\"";
    }
    return text + "]";
}

const std::string* StageSpec::file(const std::string& precision) const {
    auto found = files.find(precision);
    if (found == files.end()) found = files.find("fp32");
    return found == files.end() ? nullptr : &found->second;
}

int StageSpec::output(std::string_view wanted) const {
    for (size_t i = 0; i < outputs.size(); ++i)
        if (outputs[i].name == wanted) return int(i);
    return -1;
}

std::vector<std::string> Manifest::precisions() const {
    std::vector<std::string> found;
    for (const char* precision : {"fp32", "fp16", "int8"}) {
        bool own = false, all = true;
        for (const StageSpec& stage : stages) {
            own = own || stage.files.count(precision) != 0;
            all = all && stage.file(precision) != nullptr;
        }
        if (own && all) found.push_back(precision);
    }
    return found;
}

int Manifest::condition(std::string_view wanted) const {
    for (size_t i = 0; i < conditions.size(); ++i)
        if (conditions[i].name == wanted) return int(i);
    return -1;
}

std::vector<std::string> Manifest::choices(std::string_view wanted) const {
    std::vector<std::string> names;
    if (wanted == "style") names = styles;
    if (wanted == "emotion") names = emotions;
    if (wanted == "level") names = levels;
    if (wanted == "person") names = persons;
    const int index = condition(wanted);
    if (wanted == "emotion" && index >= 0 && conditions[size_t(index)].initial.size() == names.size() + 1)
        names.push_back("auto");
    return names;
}

int Manifest::stage(std::string_view wanted) const {
    for (size_t i = 0; i < stages.size(); ++i)
        if (stages[i].name == wanted) return int(i);
    return -1;
}

int Manifest::noise_of(std::string_view source) const {
    constexpr std::string_view prefix = "noise.";
    // A stage of format 1 may have the name.
    if (format < 2 || source.substr(0, source.find('.')) != "noise") return kNoNoise;
    for (size_t i = 0; i < noise.size(); ++i)
        if (source.size() > prefix.size() && source.substr(prefix.size()) == noise[i].name) return int(i);
    return -1;
}

std::pair<int, int> Manifest::source(const std::string& key) const {
    const size_t dot = key.find('.');
    const int index = dot == std::string::npos ? -1 : stage(std::string_view(key).substr(0, dot));
    const int output = index < 0 ? -1 : stages[size_t(index)].output(std::string_view(key).substr(dot + 1));
    return output < 0 ? std::pair(-1, -1) : std::pair(index, output);
}

int64_t Manifest::coefficients() const {
    const auto found = outputs.find("coefficients");
    const auto [stage, output] = found == outputs.end() ? std::pair(-1, -1) : source(found->second);
    if (stage < 0) return 0;
    const Shape& shape = stages[size_t(stage)].outputs[size_t(output)].shape;
    return shape.size() == 3 ? shape[2].at(0) : 0;
}

std::optional<std::vector<int64_t>> Manifest::role_shape(std::string_view role) const {
    if (role == "offsets") return std::vector<int64_t>{vertices, 3};
    if (role == "emotion") return std::vector<int64_t>{int64_t(emotions.size())};
    if (role == "emotion_weight") return std::vector<int64_t>{vertices};
    if (role == "head_rotation" && format >= 2) return std::vector<int64_t>{3, 3};
    if (role == "head_translation" && format >= 2) return std::vector<int64_t>{3};
    for (const char* affect : kAffect)
        if (role == affect && format >= 2) return std::vector<int64_t>{1};
    if ((role == "coefficients" || role == "emotion_coefficients") && format >= 2) return std::vector<int64_t>{coefficients()};
    return std::nullopt;
}

bool plain_file_name(std::string_view name) {
    bool fits = !name.empty() && name.size() <= 128 && name[0] != '.' && name[0] != '-' && name.back() != '.';
    for (const char c : name)
        fits = fits && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                        c == '.' || c == '-');
    // Names that Windows gives to devices, whatever comes after a dot.
    const std::string stem = lower(std::string(name.substr(0, name.find('.'))));
    const bool numbered = stem.size() == 4 && stem[3] >= '0' && stem[3] <= '9';
    const std::string kind = numbered ? stem.substr(0, 3) : stem;
    if (numbered ? kind == "com" || kind == "lpt" : kind == "con" || kind == "prn" || kind == "aux" || kind == "nul") return false;
    return fits;
}

bool plain_text(std::string_view text) {
    size_t characters = 0;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < 0x20 || byte == 0x7F) return false;
        // U+0080 to U+009F.
        if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return false;
        characters += (byte & 0xC0) != 0x80;
    }
    return characters >= 1 && characters <= 1000;
}

std::string shown_key(std::string_view key) {
    std::string shown;
    size_t characters = 0;
    for (const char c : key) {
        if ((static_cast<unsigned char>(c) & 0xC0) == 0x80) continue;
        if (++characters > 64) return shown + "...";
        shown += c >= 0x20 && c <= 0x7E ? c : '?';
    }
    return shown;
}

void check_manifest(const Manifest& manifest) {
    check_files(manifest);
    check_clock(manifest);
    check_conditions(manifest);
    check_noise(manifest);
    double state_values = 0;
    if (manifest.stages.empty()) fault("stages", "an empty list", "at least one stage");
    for (size_t i = 0; i < manifest.stages.size(); ++i) check_stage(manifest, i, &state_values);
    check_outputs(manifest);
    check_textures(manifest);
    bool offered = false;
    for (const std::string& precision : manifest.precisions()) offered = offered || precision == manifest.default_precision;
    if (!offered) fault("default_precision", "'" + manifest.default_precision + "'", "one that every stage has files for");
    for (const char* name : {"face.npz", "golden.npz"})
        if (manifest.files.count(name) == 0) fault(std::string("files.") + name, "nothing", "an entry with sha256 and bytes");
}

}  // namespace emoface::runtime
