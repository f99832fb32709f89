#include "manifest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "failure.h"
#include "strict_json.h"

namespace emoface::runtime {
namespace {

// The limits of emoface.manifest and emoface.manifest_schema.
constexpr int64_t kMost = int64_t(1) << 40, kMostExtent = int64_t(1) << 31, kMostRate = 1'000'000, kMostOverlap = int64_t(1) << 24;
constexpr int64_t kMostBlock = 1000, kMostVertices = int64_t(1) << 20, kMostConditionValues = int64_t(1) << 16;
constexpr size_t kMostLevels = 64, kMostAxes = 16, kMostNames = 4096, kMostStages = 64, kMostTensors = 1024, kMostPrecisions = 3;
constexpr int64_t kMostBrackets = 100'000;
constexpr size_t kMostConditions = 64, kMostNoises = 64, kMostFiles = 1024, kMostTextures = 16, kAny = std::numeric_limits<size_t>::max();
constexpr double kLeastLength = 1e-9, kMostLength = 1e9, kMostFloat = double(std::numeric_limits<float>::max());

[[noreturn]] void fault(const std::string& field, const std::string& got, const std::string& expected) {
    manifest_fault("manifest.json", field, got, expected);
}

// Reads one JSON object field by field and remembers which fields it knows.
class Reader {
public:
    Reader(const Json& data, std::string path) : data_(data), path_(std::move(path)) {
        if (!data_.is_object()) fault(path_.empty() ? "JSON" : path_, data_.type_name(), "a JSON object");
    }
    std::string field(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
    const Json& get(const std::string& key, const std::string& expected) {
        known_.insert(key);
        const auto found = data_.find(key);
        if (found == data_.end()) fault(field(key), "nothing (the field is missing)", expected);
        return *found;
    }
    // An object that may be missing; null then.
    const Json* optional_object(const std::string& key) {
        known_.insert(key);
        return has(key) ? &object(key, kAny) : nullptr;
    }
    bool has(const std::string& key) const { return data_.find(key) != data_.end(); }
    // A misspelt field must not be ignored silently.
    void refuse_unknown() const {
        for (const auto& item : data_.items())
            if (known_.count(item.key()) == 0)
                fault(field(shown_key(item.key())), "an unknown field", "only the fields of the manifest's format");
    }
    std::string text(const std::string& key) {
        const Json& value = get(key, "text");
        if (!is_text(value)) fault(field(key), shown(value), "text of 1 to 1000 characters, no control characters");
        return value.get<std::string>();
    }
    static bool is_text(const Json& value) {
        return value.is_string() && plain_text(value.get_ref<const std::string&>());
    }
    std::string sha256(const std::string& key) {
        const Json& value = get(key, "a SHA-256");
        const std::string text = value.is_string() ? value.get<std::string>() : std::string();
        if (text.size() != 64 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
            fault(field(key), shown(value), "64 lower-case hexadecimal digits");
        return text;
    }
    static int64_t integer(const Json& value, const std::string& field, int64_t low, int64_t high) {
        const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= uint64_t(high) : value.is_number_integer();
        if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high)
            fault(field, shown(value), "an integer from " + std::to_string(low) + " to " + std::to_string(high));
        return value.get<int64_t>();
    }
    int64_t integer(const std::string& key, int64_t low, int64_t high = kMost) {
        return integer(get(key, "an integer"), field(key), low, high);
    }
    static double number(const Json& value, const std::string& field, double low, double high) {
        const double number = value.is_number() ? value.get<double>() : NAN;
        if (!(number >= low && number <= high))
            fault(field, shown(value), "a number from " + std::to_string(low) + " to " + std::to_string(high));
        return number;
    }
    double number(const std::string& key, double low, double high) { return number(get(key, "a number"), field(key), low, high); }
    const Json& list(const std::string& key, const std::string& expected, size_t most) {
        const Json& value = get(key, expected);
        if (!value.is_array()) fault(field(key), value.type_name(), expected);
        check_count(key, value, most);
        return value;
    }
    const Json& object(const std::string& key, size_t most) {
        const Json& value = get(key, "a JSON object");
        if (!value.is_object()) fault(field(key), value.type_name(), "a JSON object");
        check_count(key, value, most);
        return value;
    }
    std::vector<int64_t> integers(const std::string& key, int64_t low, int64_t high, size_t least, size_t most) {
        const Json& values = list(key, "a list of integers", kAny);
        if (values.size() < least || values.size() > most)
            fault(field(key), std::to_string(values.size()) + " values",
                  std::to_string(least) + " to " + std::to_string(most) + " values");
        std::vector<int64_t> integers;
        for (const Json& value : values) integers.push_back(integer(value, at(key, integers.size()), low, high));
        return integers;
    }
    // Numbers that float32 holds.
    std::vector<float> floats(const std::string& key, size_t most) {
        std::vector<float> floats;
        for (const Json& value : list(key, "a list of numbers", most))
            floats.push_back(float(number(value, at(key, floats.size()), -kMostFloat, kMostFloat)));
        return floats;
    }
    std::vector<std::string> texts(const std::string& key) {
        std::vector<std::string> texts;
        for (const Json& value : list(key, "a list of names", kMostNames)) {
            if (!is_text(value)) fault(at(key, texts.size()), shown(value), "a name of 1 to 1000 characters, no control characters");
            texts.push_back(value.get<std::string>());
        }
        if (std::set<std::string>(texts.begin(), texts.end()).size() != texts.size())
            fault(field(key), "a name twice", "distinct names");
        return texts;
    }
    std::map<std::string, std::string> text_map(const std::string& key, size_t most) {
        std::map<std::string, std::string> texts;
        for (const auto& item : object(key, most).items()) {
            if (!is_text(item.value()))
                fault(field(key) + "." + shown_key(item.key()), shown(item.value()), "text without control characters");
            texts[item.key()] = item.value().get<std::string>();
        }
        return texts;
    }
    std::string at(const std::string& key, size_t index) const { return field(key) + "[" + std::to_string(index) + "]"; }
    Shape shape(const std::string& key);

private:
    void check_count(const std::string& key, const Json& value, size_t most) const {
        if (value.size() > most) fault(field(key), std::to_string(value.size()) + " entries", "at most " + std::to_string(most));
    }
    const Json& data_;
    std::string path_;
    std::set<std::string> known_;
};

// "n", "a*n", "n+b" or "a*n+b", each number in its one form: no leading zeros, no 1*n, no n+0.
bool parse_extent(const std::string& text, Extent* extent) {
    size_t at = 0;
    const auto digits = [&](int64_t* value) {
        const size_t begin = at;
        for (*value = 0; at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 9; ++at)
            *value = 10 * *value + (text[at] - '0');
        return at > begin && text[begin] != '0';
    };
    extent->factor = 1;
    extent->offset = 0;
    if (at < text.size() && text[at] != 'n')
        if (!digits(&extent->factor) || extent->factor == 1 || at >= text.size() || text[at++] != '*') return false;
    if (at >= text.size() || text[at++] != 'n') return false;
    if (at == text.size()) return true;
    if (text[at++] != '+' || !digits(&extent->offset)) return false;
    return at == text.size();
}

Shape Reader::shape(const std::string& key) {
    Shape shape;
    for (const Json& value : list(key, "a shape", kMostAxes)) {
        Extent extent;
        if (value.is_string()) {
            const std::string text = value.get<std::string>();
            extent.batch = text == "B";
            extent.rows = text == "m";
            if (!extent.batch && !extent.rows && !parse_extent(text, &extent))
                fault(at(key, shape.size()), shown(value), "an int, \"B\", \"n\" or \"a*n+b\"");
        } else {
            extent.offset = integer(value, at(key, shape.size()), 1, kMostExtent);
        }
        shape.push_back(extent);
    }
    return shape;
}

DType read_dtype(Reader& reader) {
    const Json& value = reader.get("dtype", "text");
    for (const DType dtype : {DType::float32, DType::float16, DType::int64, DType::int32})
        if (value == dtype_name(dtype)) return dtype;
    fault(reader.field("dtype"), shown(value), "one of float32, float16, int64, int32");
}

std::vector<TensorSpec> read_tensors(Reader& stage, const std::string& key, bool has_source, bool is_state) {
    std::vector<TensorSpec> tensors;
    for (const Json& value : stage.list(key, "a list of objects", kMostTensors)) {
        Reader item(value, stage.at(key, tensors.size()));
        TensorSpec spec;
        spec.name = item.text("name");
        if (has_source) spec.source = item.text("source");
        spec.shape = item.shape("shape");
        spec.dtype = read_dtype(item);
        if (is_state) {
            spec.initial = item.number("initial", -kMostFloat, kMostFloat);
            spec.batch_axis = item.integer("batch_axis", 0);
        }
        item.refuse_unknown();
        tensors.push_back(std::move(spec));
    }
    return tensors;
}

StageSpec read_stage(const Json& value, const std::string& path) {
    Reader reader(value, path);
    StageSpec stage;
    stage.name = reader.text("name");
    const Json& cadence = reader.get("cadence", "text");
    if (cadence == "clip")
        fault(reader.field("cadence"), "clip", "a package that streams: those that hear whole clips run in Python alone");
    if (cadence != "block" && cadence != "frames" && cadence != "frame")
        fault(reader.field("cadence"), shown(cadence), "one of block, frames, frame");
    stage.cadence = cadence == "block" ? Cadence::block : cadence == "frames" ? Cadence::frames : Cadence::frame;
    stage.files = reader.text_map("files", kMostPrecisions);
    stage.inputs = read_tensors(reader, "inputs", true, false);
    stage.outputs = read_tensors(reader, "outputs", false, false);
    stage.state = read_tensors(reader, "state", false, true);
    reader.refuse_unknown();
    return stage;
}

ConditionSpec read_condition(const std::string& name, const Json& value) {
    Reader reader(value, "conditions." + shown_key(name));
    ConditionSpec spec;
    spec.name = name;
    spec.size = reader.integers("shape", 1, kMostConditionValues, 1, 1)[0];
    spec.initial = reader.floats("default", size_t(kMostConditionValues));
    reader.refuse_unknown();
    return spec;
}

NoiseSpec read_noise(const std::string& name, const Json& value) {
    Reader reader(value, "noise." + shown_key(name));
    NoiseSpec spec;
    spec.name = name;
    spec.shape = reader.integers("shape", 1, kMostNoiseValues, 1, 2);
    spec.size = 1;
    for (const int64_t extent : spec.shape) spec.size *= extent;
    reader.refuse_unknown();
    return spec;
}

// What the exporter states about itself is free but for the tolerances that a verification compares with.
void read_verification(Reader& manifest_reader, Manifest* manifest) {
    const Json* verification = manifest_reader.optional_object("verification");
    if (verification == nullptr || !verification->contains("tolerances")) return;
    Reader reader(*verification, "verification");
    for (const auto& item : reader.object("tolerances", kMostPrecisions).items()) {
        const std::string field = "verification.tolerances." + shown_key(item.key());
        Reader limits(item.value(), field);
        if (item.key() != "fp32" && item.key() != "fp16" && item.key() != "int8")
            fault(field, "an unknown precision", "one of fp32, fp16, int8");
        const auto limit = [&](const char* key) { return limits.has(key) ? limits.number(key, 0, 1e9) : -1.0; };
        // One after the other: both may be wrong.
        const double relative = limit("relative"), millimetres = limit("offsets_mm");
        limits.refuse_unknown();
        manifest->tolerances[item.key()] = {relative, millimetres};
    }
}

}  // namespace

Manifest read_manifest(const uint8_t* text, size_t size) {
    if (size > kMostManifestBytes)
        fault("size", std::to_string(size), "at most " + std::to_string(kMostManifestBytes) + " bytes");
    Json data;
    try {
        if (std::count(text, text + size, '[') + std::count(text, text + size, '{') > kMostBrackets)
            throw JsonFault("more than " + std::to_string(kMostBrackets) + " objects and lists");
        data = parse_object(text, size, int(kMostLevels));
    } catch (const JsonFault& error) {
        fault("JSON", error.what(), "a JSON object in UTF-8 (RFC 8259) without a key twice");
    }
    Reader reader(data, "");
    Manifest manifest;
    manifest.format = reader.integer("format", 1);
    if (manifest.format > kNewestFormat)
        fail(EMOFACE_ERROR_PACKAGE_FORMAT, "manifest.json: format = " + std::to_string(manifest.format), "format 1 or 2",
             "Update the library, or export the package again in format 1 or 2.");
    manifest.name = reader.text("name");
    manifest.family = reader.text("family");
    // Format 1 does not know the fields that may be left out.
    const auto says = [&](const char* key) { return manifest.format >= 2 && reader.has(key); };
    if (says("model_sha256")) manifest.model_sha256 = reader.sha256("model_sha256");
    manifest.licence = reader.text("licence");
    Clock& clock = manifest.clock;
    clock.fps = reader.integer("fps", 1, 1000);
    clock.sample_rate = reader.integer("sample_rate", 1, kMostRate);
    clock.feature_rate = reader.integer("feature_rate", 1, 1000);
    clock.hop = reader.integer("hop", 1, kMostRate);
    clock.overlap = reader.integer("overlap", 0, kMostOverlap);
    clock.block_features = reader.integer("block_features", 1, kMostBlock);
    const std::vector<int64_t> allowed = reader.integers("allowed_block_features", 1, kMostBlock, 2, 2);
    manifest.least_block = allowed[0];
    manifest.longest_block = allowed[1];
    clock.delay_features = reader.integer("delay_features", 0, 1000);
    manifest.latency_samples = reader.integer("latency_samples", 0);
    manifest.vertices = reader.integer("vertices", 1, kMostVertices);
    manifest.faces_sha256 = reader.sha256("faces_sha256");
    manifest.unit_in_metres = reader.number("unit_in_metres", kLeastLength, kMostLength);
    manifest.axes = reader.text("axes");
    manifest.styles = reader.texts("styles");
    manifest.emotions = reader.texts("emotions");
    manifest.levels = reader.texts("levels");
    if (says("persons")) manifest.persons = reader.texts("persons");
    manifest.default_precision = reader.text("default_precision");
    for (const auto& item : reader.object("conditions", kMostConditions).items())
        manifest.conditions.push_back(read_condition(item.key(), item.value()));
    if (says("noise"))
        for (const auto& item : reader.object("noise", kMostNoises).items())
            manifest.noise.push_back(read_noise(item.key(), item.value()));
    std::sort(manifest.noise.begin(), manifest.noise.end(),
              [](const NoiseSpec& a, const NoiseSpec& b) { return a.name < b.name; });
    for (const Json& value : reader.list("stages", "a list of objects", kMostStages))
        manifest.stages.push_back(read_stage(value, "stages[" + std::to_string(manifest.stages.size()) + "]"));
    manifest.outputs = reader.text_map("outputs", kMostTensors);
    if (says("textures")) manifest.textures = reader.text_map("textures", kMostTextures);
    manifest.motion_range_m = reader.number("motion_range_m", kLeastLength, kMostLength);
    reader.optional_object("provenance");
    read_verification(reader, &manifest);
    for (const auto& item : reader.object("files", kMostFiles).items()) {
        Reader entry(item.value(), "files." + shown_key(item.key()));
        FileEntry& file = manifest.files[item.key()];
        file.sha256 = entry.sha256("sha256");
        file.bytes = uint64_t(entry.integer("bytes", 0, int64_t(kMostFileBytes)));
        entry.refuse_unknown();
    }
    reader.refuse_unknown();
    check_manifest(manifest);
    return manifest;
}

}  // namespace emoface::runtime
