#include "manifest.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "failure.h"

namespace emoface::runtime {
namespace {

using Json = nlohmann::ordered_json;
constexpr int64_t kMost = int64_t(1) << 40;
// Beyond these a product of sizes could leave 64 bits; real models stay far below.
constexpr int kDeepest = 64;
constexpr int64_t kMostRate = 1'000'000, kMostOverlap = int64_t(1) << 24;

std::string shown(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

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
        known_.push_back(key);
        const auto found = data_.find(key);
        if (found == data_.end()) fault(field(key), "nothing (the field is missing)", expected);
        return *found;
    }
    const Json* optional(const std::string& key) {
        known_.push_back(key);
        const auto found = data_.find(key);
        return found == data_.end() ? nullptr : &*found;
    }
    // A misspelt field must not be ignored silently.
    void refuse_unknown() const {
        for (const auto& item : data_.items()) {
            bool known = false;
            for (const std::string& key : known_) known = known || key == item.key();
            if (!known) fault(field(item.key()), "an unknown field", "only the fields of format 1");
        }
    }
    std::string text(const std::string& key) {
        const Json& value = get(key, "text");
        const std::string text = value.is_string() ? value.get<std::string>() : std::string();
        if (text.empty() || text.size() > 4000 || text.find('\0') != std::string::npos)
            fault(field(key), shown(value), "text of 1 to 1000 characters");
        return text;
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
    static double number(const Json& value, const std::string& field) {
        const double number = value.is_number() ? value.get<double>() : NAN;
        if (!std::isfinite(number)) fault(field, shown(value), "a finite number");
        return number;
    }
    double number(const std::string& key) { return number(get(key, "a number"), field(key)); }
    const Json& list(const std::string& key, const std::string& expected) {
        const Json& value = get(key, expected);
        if (!value.is_array()) fault(field(key), value.type_name(), expected);
        return value;
    }
    const Json& object(const std::string& key) {
        const Json& value = get(key, "a JSON object");
        if (!value.is_object()) fault(field(key), value.type_name(), "a JSON object");
        return value;
    }
    std::vector<std::string> texts(const std::string& key) {
        std::vector<std::string> texts;
        for (const Json& value : list(key, "a list of names")) {
            const std::string at = field(key) + "[" + std::to_string(texts.size()) + "]";
            const std::string text = value.is_string() ? value.get<std::string>() : std::string();
            if (text.empty() || text.find('\0') != std::string::npos) fault(at, shown(value), "a name");
            for (const std::string& other : texts)
                if (other == text) fault(field(key), "a name twice", "distinct names");
            texts.push_back(text);
        }
        return texts;
    }
    std::map<std::string, std::string> text_map(const std::string& key) {
        std::map<std::string, std::string> texts;
        for (const auto& item : object(key).items()) {
            const std::string text = item.value().is_string() ? item.value().get<std::string>() : std::string();
            if (text.empty()) fault(field(key) + "." + item.key(), shown(item.value()), "text");
            texts[item.key()] = text;
        }
        return texts;
    }
    Shape shape(const std::string& key);

private:
    const Json& data_;
    std::string path_;
    std::vector<std::string> known_;
};

// "n", "a*n", "n+b" or "a*n+b"; false for anything else.
bool parse_extent(const std::string& text, Extent* extent) {
    size_t at = 0;
    const auto digits = [&](int64_t* value) {
        const size_t begin = at;
        *value = 0;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 9) *value = 10 * *value + (text[at++] - '0');
        return at > begin;
    };
    extent->factor = 1;
    extent->offset = 0;
    if (digits(&extent->factor)) {
        if (at >= text.size() || text[at++] != '*') return false;
    } else {
        extent->factor = 1;
    }
    if (at >= text.size() || text[at++] != 'n') return false;
    if (at == text.size()) return true;
    if (text[at++] != '+' || !digits(&extent->offset)) return false;
    return at == text.size();
}

Shape Reader::shape(const std::string& key) {
    Shape shape;
    for (const Json& value : list(key, "a shape")) {
        const std::string at = field(key) + "[" + std::to_string(shape.size()) + "]";
        Extent extent;
        if (value.is_string()) {
            const std::string text = value.get<std::string>();
            extent.batch = text == "B";
            if (!extent.batch && !parse_extent(text, &extent)) fault(at, shown(value), "an int, \"B\", \"n\" or \"a*n+b\"");
        } else {
            extent.offset = integer(value, at, 1, int64_t(1) << 31);
        }
        shape.push_back(extent);
        if (shape.size() > 16) fault(field(key), "more than 16 axes", "a shape");
    }
    return shape;
}

DType read_dtype(Reader& reader) {
    const std::string name = reader.text("dtype");
    for (const DType dtype : {DType::float32, DType::float16, DType::int64, DType::int32})
        if (name == dtype_name(dtype)) return dtype;
    fault(reader.field("dtype"), name, "one of float32, float16, int64, int32");
}

std::vector<TensorSpec> read_tensors(Reader& stage, const std::string& key, bool has_source, bool is_state) {
    std::vector<TensorSpec> tensors;
    size_t index = 0;
    for (const Json& value : stage.list(key, "a list of objects")) {
        Reader item(value, stage.field(key) + "[" + std::to_string(index++) + "]");
        TensorSpec spec;
        spec.name = item.text("name");
        if (has_source) spec.source = item.text("source");
        spec.shape = item.shape("shape");
        spec.dtype = read_dtype(item);
        if (is_state) {
            spec.initial = item.number("initial");
            const int64_t axis = item.integer("batch_axis", 0);
            if (axis >= int64_t(spec.shape.size()) || !spec.shape[size_t(axis)].batch)
                fault(item.field("batch_axis"), std::to_string(axis), "the axis of \"B\" in " + text_of(spec.shape));
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
    const std::string cadence = reader.text("cadence");
    if (cadence == "clip")
        fault(reader.field("cadence"), cadence, "a package that streams: those that hear whole clips run in Python alone");
    if (cadence != "block" && cadence != "frames" && cadence != "frame")
        fault(reader.field("cadence"), cadence, "one of block, frames, frame");
    stage.cadence = cadence == "block" ? Cadence::block : cadence == "frames" ? Cadence::frames : Cadence::frame;
    stage.files = reader.text_map("files");
    stage.inputs = read_tensors(reader, "inputs", true, false);
    stage.outputs = read_tensors(reader, "outputs", false, false);
    stage.state = read_tensors(reader, "state", false, true);
    reader.refuse_unknown();
    return stage;
}

ConditionSpec read_condition(const std::string& name, const Json& value) {
    Reader reader(value, "conditions." + name);
    ConditionSpec spec;
    spec.name = name;
    const Json& shape = reader.list("shape", "a list of integers");
    for (const Json& number : reader.list("default", "a list of numbers"))
        spec.initial.push_back(float(Reader::number(number, reader.field("default"))));
    if (shape.size() != 1 || Reader::integer(shape[0], reader.field("shape[0]"), 1, kMost) != int64_t(spec.initial.size()))
        fault(reader.field("default"), std::to_string(spec.initial.size()) + " values", "shape " + shown(shape) + ", 1-D");
    reader.refuse_unknown();
    return spec;
}

// What the exporter states about itself is free text but for the tolerances that emoface_verify() needs.
void read_tolerances(const Json& verification, Manifest* manifest) {
    if (!verification.is_object() || !verification.contains("tolerances")) return;
    const Json& tolerances = verification["tolerances"];
    if (!tolerances.is_object()) return;
    for (const auto& item : tolerances.items()) {
        const auto limit = [&](const char* key) {
            if (!item.value().is_object() || !item.value().contains(key)) return -1.0;
            return item.value()[key].is_number() ? item.value()[key].get<double>() : -1.0;
        };
        manifest->tolerances[item.key()] = {limit("relative"), limit("offsets_mm")};
    }
}

}  // namespace

Manifest read_manifest(const uint8_t* text, size_t size) {
    if (size > kMostManifestBytes)
        fault("size", std::to_string(size), "at most " + std::to_string(kMostManifestBytes) + " bytes");
    Json data;
    try {
        // Whoever writes a value into an error descends into it: too deep a one would leave the stack.
        data = Json::parse(text, text + size, [](int depth, Json::parse_event_t, Json&) {
            if (depth > kDeepest) fault("JSON", "more than " + std::to_string(kDeepest) + " levels", "a manifest");
            return true;
        });
    } catch (const Json::exception& error) {
        fault("JSON", error.what(), "a valid JSON object");
    }
    Reader reader(data, "");
    Manifest manifest;
    manifest.format = reader.integer("format", 1);
    if (manifest.format != 1)
        fail(EMOFACE_ERROR_PACKAGE_FORMAT, "manifest.json: format = " + std::to_string(manifest.format), "format 1",
             "Update the library, or export the package again in format 1.");
    manifest.name = reader.text("name");
    manifest.family = reader.text("family");
    manifest.licence = reader.text("licence");
    Clock& clock = manifest.clock;
    clock.fps = reader.integer("fps", 1, 1000);
    clock.sample_rate = reader.integer("sample_rate", 1, kMostRate);
    clock.feature_rate = reader.integer("feature_rate", 1, kMostRate);
    clock.hop = reader.integer("hop", 1, kMostRate);
    clock.overlap = reader.integer("overlap", 0, kMostOverlap);
    clock.block_features = reader.integer("block_features", 1, 1000);
    const Json& allowed = reader.list("allowed_block_features", "a list of integers");
    if (allowed.size() != 2) fault("allowed_block_features", std::to_string(allowed.size()) + " values", "2 values");
    manifest.least_block = Reader::integer(allowed[0], "allowed_block_features[0]", 1, 1000);
    manifest.longest_block = Reader::integer(allowed[1], "allowed_block_features[1]", 1, 1000);
    clock.delay_features = reader.integer("delay_features", 0, 1000);
    manifest.latency_samples = reader.integer("latency_samples", 0);
    manifest.vertices = reader.integer("vertices", 1, int64_t(1) << 20);
    manifest.faces_sha256 = reader.sha256("faces_sha256");
    manifest.unit_in_metres = reader.number("unit_in_metres");
    manifest.axes = reader.text("axes");
    manifest.styles = reader.texts("styles");
    manifest.emotions = reader.texts("emotions");
    manifest.levels = reader.texts("levels");
    manifest.default_precision = reader.text("default_precision");
    for (const auto& item : reader.object("conditions").items())
        manifest.conditions.push_back(read_condition(item.key(), item.value()));
    for (const Json& value : reader.list("stages", "a list of objects"))
        manifest.stages.push_back(read_stage(value, "stages[" + std::to_string(manifest.stages.size()) + "]"));
    manifest.outputs = reader.text_map("outputs");
    manifest.motion_range_m = reader.number("motion_range_m");
    reader.optional("provenance");
    if (const Json* verification = reader.optional("verification")) read_tolerances(*verification, &manifest);
    for (const auto& item : reader.object("files").items()) {
        Reader entry(item.value(), "files." + item.key());
        if (!plain_file_name(item.key()))
            fault("files." + item.key(), item.key(), "a plain file name: letters, digits, '_', '.', '-'");
        FileEntry& file = manifest.files[item.key()];
        file.sha256 = entry.sha256("sha256");
        file.bytes = uint64_t(entry.integer("bytes", 0, int64_t(kMostFileBytes)));
    }
    reader.refuse_unknown();
    check_manifest(manifest);
    return manifest;
}

}  // namespace emoface::runtime
