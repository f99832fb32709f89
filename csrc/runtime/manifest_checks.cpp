// What relates the fields of a manifest to each other: sources, cadences, shapes, files, latency.
#include <cmath>

#include "failure.h"
#include "manifest.h"

namespace emoface::runtime {
namespace {

[[noreturn]] void fault(const std::string& field, const std::string& got, const std::string& expected) {
    manifest_fault("manifest.json", field, got, expected);
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
    if (!(manifest.unit_in_metres > 0)) fault("unit_in_metres", std::to_string(manifest.unit_in_metres), "a positive number");
    if (!(manifest.motion_range_m > 0)) fault("motion_range_m", std::to_string(manifest.motion_range_m), "a positive number of metres");
}

void check_conditions(const Manifest& manifest) {
    for (const ConditionSpec& spec : manifest.conditions) {
        check_name(spec.name, "conditions." + spec.name);
        for (const float value : spec.initial)
            if (!std::isfinite(value)) fault("conditions." + spec.name + ".default", "a value beyond float32", "finite values");
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
}

void check_tensors(const std::vector<TensorSpec>& specs, const std::string& path) {
    for (size_t i = 0; i < specs.size(); ++i) {
        const std::string at = path + "[" + std::to_string(i) + "]";
        check_name(specs[i].name, at + ".name");
        for (size_t j = 0; j < i; ++j)
            if (specs[j].name == specs[i].name) fault(at + ".name", "'" + specs[i].name + "'", "distinct names");
        bool batch = false;
        // The largest n is the longest block or, for frames, far less than 100000.
        double items = 1;
        for (const Extent& extent : specs[i].shape) {
            batch = batch || extent.batch;
            items *= double(extent.at(1000));
        }
        if (!batch) fault(at + ".shape", text_of(specs[i].shape), "a shape with the batch axis \"B\"");
        if (items > double(int64_t(1) << 33)) fault(at + ".shape", text_of(specs[i].shape), "a tensor that fits in memory");
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

void check_stage(const Manifest& manifest, size_t index) {
    const StageSpec& stage = manifest.stages[index];
    const std::string path = "stages[" + std::to_string(index) + "]";
    check_name(stage.name, path + ".name");
    if (size_t(manifest.stage(stage.name)) != index || stage.name == "audio" || stage.name == "condition")
        fault(path + ".name", "'" + stage.name + "'", "a name that is not taken");
    if (stage.files.empty()) fault(path + ".files", "nothing", "at least one graph file");
    for (const auto& [precision, file] : stage.files) {
        if (!known_precision(precision)) fault(path + ".files." + precision, "'" + precision + "'", "one of fp32, fp16, int8");
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
        int batches = 0;
        bool fixed = true;
        for (const Extent& extent : stage.state[i].shape) {
            batches += extent.batch;
            fixed = fixed && (extent.batch || extent.fixed());
        }
        if (batches != 1 || !fixed)
            fault(path + ".state[" + std::to_string(i) + "].shape", text_of(stage.state[i].shape),
                  "integers and one \"B\": a state has a fixed size");
    }
}

void check_outputs(const Manifest& manifest) {
    if (manifest.outputs.count("offsets") == 0) fault("outputs.offsets", "nothing", "<stage>.<output>");
    for (const auto& [role, key] : manifest.outputs) {
        std::vector<int64_t> extents;
        if (role == "emotion") extents.push_back(int64_t(manifest.emotions.size()));
        else if (role == "emotion_weight") extents.push_back(manifest.vertices);
        else if (role == "offsets") extents = std::vector<int64_t>{manifest.vertices, 3};
        else fault("outputs." + role, "an unknown output", "only offsets, emotion, emotion_weight");
        const auto [stage, index] = manifest.source(key);
        if (stage < 0) fault("outputs." + role, "'" + key + "'", "<stage>.<output> of a stage in the list");
        const TensorSpec& output = manifest.stages[size_t(stage)].outputs[size_t(index)];
        bool fits = output.shape.size() == extents.size() + 2 && output.dtype == DType::float32;
        for (size_t i = 0; fits && i < extents.size(); ++i) fits = output.shape[i + 2].at(0) == extents[i];
        if (!fits) fault("outputs." + role, key + " " + text_of(output.shape), "time, then one value per item, float32");
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

const char* dtype_name(DType dtype) {
    switch (dtype) {
        case DType::float32: return "float32";
        case DType::float16: return "float16";
        case DType::int64: return "int64";
        default: return "int32";
    }
}

bool operator==(const Extent& a, const Extent& b) {
    return a.factor == b.factor && a.offset == b.offset && a.batch == b.batch;
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
        if (extent.batch) text += "\"B\"";
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

std::pair<int, int> Manifest::source(const std::string& key) const {
    const size_t dot = key.find('.');
    const int index = dot == std::string::npos ? -1 : stage(std::string_view(key).substr(0, dot));
    const int output = index < 0 ? -1 : stages[size_t(index)].output(std::string_view(key).substr(dot + 1));
    return output < 0 ? std::pair(-1, -1) : std::pair(index, output);
}

bool plain_file_name(std::string_view name) {
    bool fits = !name.empty() && name.size() <= 128 && name[0] != '.' && name[0] != '-';
    for (const char c : name)
        fits = fits && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                        c == '.' || c == '-');
    return fits;
}

void check_manifest(const Manifest& manifest) {
    check_clock(manifest);
    check_conditions(manifest);
    if (manifest.stages.empty()) fault("stages", "an empty list", "at least one stage");
    for (size_t i = 0; i < manifest.stages.size(); ++i) check_stage(manifest, i);
    check_outputs(manifest);
    bool offered = false;
    for (const std::string& precision : manifest.precisions()) offered = offered || precision == manifest.default_precision;
    if (!offered) fault("default_precision", "'" + manifest.default_precision + "'", "one that every stage has files for");
    for (const char* name : {"face.npz", "golden.npz"})
        if (manifest.files.count(name) == 0) fault(std::string("files.") + name, "nothing", "an entry with sha256 and bytes");
}

}  // namespace emoface::runtime
