#include "graph_check.h"

#include <algorithm>
#include <set>

#include "failure.h"
#include "graph_bounds.h"

namespace emoface::runtime {
namespace {

using namespace graphs;

constexpr int64_t kMostPackageNodes = 60'000;
const char* const kTrust =
    "Export the package again with `emoface export`; load packages of people you trust only.";

struct Wanted {
    std::string name;
    const TensorSpec* spec;
};

// The least and the largest n of one call of a stage.
std::pair<int64_t, int64_t> item_range(const Manifest& manifest, const StageSpec& stage) {
    if (stage.cadence == Cadence::block) return {manifest.least_block, manifest.longest_block};
    if (stage.cadence == Cadence::frame) return {1, 1};
    // All frames that a block completes.
    const double seconds = double(manifest.longest_block) / double(manifest.clock.feature_rate);
    return {1, int64_t(seconds * double(manifest.clock.fps)) + 2};
}

Number extent_of(const Lengths& lengths, const Extent& extent) {
    return extent.batch ? kOne : lengths.symbol(extent.factor, extent.offset);
}

bool overlap(const Lengths& lengths, const Number& x, const Number& y) {
    const Number difference = lengths.subtract(x, y);
    return lengths.low(difference) <= 0 && lengths.high(difference) >= 0;
}

std::string list_of(const Shape& shape) {
    std::string text = text_of(shape);
    std::replace(text.begin(), text.end(), '"', '\'');
    return text;
}

std::string list_of(const Value& value) {
    std::string text;
    for (const Value::Extent& extent : value.shape)
        text += (text.empty() ? "" : ", ") + (extent.number ? std::to_string(extent.value) : quoted(extent.name));
    return "[" + text + "]";
}

// Names, element types, axes and fixed extents of a graph's declared inputs or outputs are the manifest's.
void compare(const Lengths& lengths, const std::string& kind, const std::vector<Value>& found,
             const std::vector<Wanted>& wanted) {
    std::set<std::string> given, names;
    std::string given_text, names_text;
    for (const Value& value : found) {
        given.insert(value.name);
        given_text += (given_text.empty() ? "" : ", ") + value.name;
    }
    for (const Wanted& item : wanted) {
        names.insert(item.name);
        names_text += (names_text.empty() ? "" : ", ") + item.name;
    }
    if (given.size() != found.size() || given != names) throw GraphError{kind, given_text, names_text};
    for (const Wanted& item : wanted) {
        const Value& value =
            *std::find_if(found.begin(), found.end(), [&](const Value& other) { return other.name == item.name; });
        const Shape& shape = item.spec->shape;
        bool fits = value.shaped && value.shape.size() == shape.size() && value.dtype == dtype_name(item.spec->dtype);
        for (size_t i = 0; fits && i < shape.size(); ++i)
            fits = !value.shape[i].number || overlap(lengths, exactly(value.shape[i].value), extent_of(lengths, shape[i]));
        if (!fits)
            throw GraphError{kind + "." + item.name, list_of(value) + " " + value.dtype,
                             list_of(shape) + " " + dtype_name(item.spec->dtype) + " as in the manifest"};
    }
}

void check_stage(const Manifest& manifest, const StageSpec& stage, const Model& model) {
    const auto [least, most] = item_range(manifest, stage);
    std::vector<Wanted> wanted, given;
    for (const TensorSpec& spec : stage.inputs) wanted.push_back({spec.name, &spec});
    for (const TensorSpec& spec : stage.outputs) given.push_back({spec.name, &spec});
    for (const TensorSpec& spec : stage.state) {
        wanted.push_back({"state." + spec.name, &spec});
        given.push_back({"new_state." + spec.name, &spec});
    }
    Bounds bounds(model, least, most);
    const Lengths& lengths = bounds.lengths();
    compare(lengths, "inputs", model.inputs, wanted);
    compare(lengths, "outputs", model.outputs, given);
    std::map<std::string, Tensor> inputs;
    for (const Wanted& item : wanted)
        for (const Extent& extent : item.spec->shape) inputs[item.name].dims.push_back(extent_of(lengths, extent));
    const Tensors results = bounds.outputs(std::move(inputs));
    for (const Wanted& item : given) {
        const auto place = std::find_if(model.outputs.begin(), model.outputs.end(),
                                        [&](const Value& value) { return value.name == item.name; });
        const Dims& found = results[size_t(place - model.outputs.begin())].dims;
        const Shape& shape = item.spec->shape;
        bool fits = found.size() == shape.size();
        for (size_t i = 0; fits && i < shape.size(); ++i)
            fits = overlap(lengths, extent_of(lengths, shape[i]), found[i]);
        if (fits) continue;
        std::string text;
        for (const Number& extent : found) text += (text.empty() ? "" : ", ") + lengths.text(extent);
        throw GraphError{"output " + quoted(item.name), "shape [" + text + "]", list_of(shape) + " as in the manifest"};
    }
}

}  // namespace

void check_graphs(const Manifest& manifest, const std::map<std::string, Bytes>& files) {
    int64_t nodes = 0;
    for (const StageSpec& stage : manifest.stages) {
        std::set<std::string> seen;
        for (const auto& [precision, file] : stage.files) {
            if (!seen.insert(file).second) continue;
            try {
                const Bytes& bytes = files.at(file);
                const Model model = read_model(bytes.data(), bytes.size());
                nodes += check_operators(model);
                if (nodes > kMostPackageNodes)
                    throw GraphError{"nodes", "more than " + std::to_string(kMostPackageNodes) + " in the package",
                                     "fewer"};
                check_stage(manifest, stage, model);
            } catch (const GraphError& error) {
                fail(EMOFACE_ERROR_MANIFEST, file + ": " + error.field + " = " + error.got, error.expected, kTrust);
            }
        }
    }
}

}  // namespace emoface::runtime
