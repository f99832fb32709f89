#include "graph_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace emoface::runtime::graphs {
namespace {

constexpr int64_t kOldestIr = 4, kNewestIr = 13, kOldestOpset = 13, kNewestOpset = 25;
constexpr size_t kMostInitialisers = 20'000, kMostNodes = 20'000, kMostKnownReals = 16;
constexpr size_t kMostBytes = (size_t(1) << 31) - 1;

struct Type {
    int64_t number;
    const char* name;
    uint64_t width;
};
constexpr Type kTypes[] = {{1, "float32", 4},  {2, "uint8", 1},    {3, "int8", 1},     {4, "uint16", 2}, {5, "int16", 2},
                           {6, "int32", 4},    {7, "int64", 8},    {9, "bool", 1},     {10, "float16", 2},
                           {11, "float64", 8}, {12, "uint32", 4},  {13, "uint64", 8},  {16, "bfloat16", 2}};

const Type* type_of(int64_t number) {
    for (const Type& type : kTypes)
        if (type.number == number) return &type;
    return nullptr;
}

struct Data {
    const char* field;
    size_t width;  // of a packed number; 0 for varints
    std::vector<int64_t> types;
};
const Data kData[] = {{"float_data", 4, {1}},
                      {"int32_data", 0, {2, 3, 4, 5, 6, 9, 10, 16}},
                      {"int64_data", 0, {7}},
                      {"double_data", 8, {11}},
                      {"uint64_data", 0, {12, 13}}};

const Schema kModel{{1, "ir_version", Kind::integer}, {2, "producer_name", Kind::text},
                    {3, "producer_version", Kind::text}, {4, "domain", Kind::text}, {5, "model_version", Kind::integer},
                    {6, "doc_string", Kind::span}, {7, "graph", Kind::message}, {8, "opset_import", Kind::messages},
                    {14, "metadata_props", Kind::spans}, {20, "training_info", Kind::refused},
                    {25, "functions", Kind::messages}};
const Schema kGraph{{1, "node", Kind::messages}, {2, "name", Kind::text}, {5, "initializer", Kind::messages},
                    {10, "doc_string", Kind::span}, {11, "input", Kind::messages}, {12, "output", Kind::messages},
                    {13, "value_info", Kind::spans}, {14, "quantization_annotation", Kind::refused},
                    {15, "sparse_initializer", Kind::refused}, {16, "metadata_props", Kind::spans}};
const Schema kFunction{{1, "name", Kind::text}, {4, "input", Kind::texts}, {5, "output", Kind::texts},
                       {6, "attribute", Kind::texts}, {7, "node", Kind::messages}, {8, "doc_string", Kind::span},
                       {9, "opset_import", Kind::messages}, {10, "domain", Kind::text},
                       {11, "attribute_proto", Kind::messages}, {12, "value_info", Kind::spans},
                       {13, "overload", Kind::refused}, {14, "metadata_props", Kind::spans}};
const Schema kNode{{1, "input", Kind::texts}, {2, "output", Kind::texts}, {3, "name", Kind::text},
                   {4, "op_type", Kind::text}, {5, "attribute", Kind::messages}, {6, "doc_string", Kind::span},
                   {7, "domain", Kind::text}, {8, "overload", Kind::refused}, {9, "metadata_props", Kind::spans}};
const Schema kAttribute{{1, "name", Kind::text}, {2, "f", Kind::real}, {3, "i", Kind::integer}, {4, "s", Kind::span},
                        {5, "t", Kind::message}, {6, "subgraph", Kind::refused}, {7, "floats", Kind::reals},
                        {8, "ints", Kind::integers}, {9, "strings", Kind::spans}, {10, "tensors", Kind::refused},
                        {11, "subgraphs", Kind::refused}, {13, "doc_string", Kind::span},
                        {14, "type_proto", Kind::refused}, {15, "type_protos", Kind::refused},
                        {20, "type", Kind::integer}, {21, "ref_attr_name", Kind::text},
                        {22, "sparse_tensor", Kind::refused}, {23, "sparse_tensors", Kind::refused}};
const Schema kTensor{{1, "dims", Kind::integers}, {2, "data_type", Kind::integer}, {3, "segment", Kind::refused},
                     {4, "float_data", Kind::reals}, {5, "int32_data", Kind::integers},
                     {6, "string_data", Kind::refused}, {7, "int64_data", Kind::integers}, {8, "name", Kind::text},
                     {9, "raw_data", Kind::span}, {10, "double_data", Kind::doubles},
                     {11, "uint64_data", Kind::integers}, {12, "doc_string", Kind::span},
                     {13, "external_data", Kind::spans}, {14, "data_location", Kind::integer},
                     {16, "metadata_props", Kind::spans}};
const Schema kValue{{1, "name", Kind::text}, {2, "type", Kind::message}, {3, "doc_string", Kind::span},
                    {4, "metadata_props", Kind::spans}};
const Schema kTypeProto{{1, "tensor_type", Kind::message}, {6, "denotation", Kind::text}};
const Schema kTensorType{{1, "elem_type", Kind::integer}, {2, "shape", Kind::message}};
const Schema kShape{{1, "dim", Kind::messages}};
const Schema kDimension{{1, "dim_value", Kind::integer}, {2, "dim_param", Kind::text}, {3, "denotation", Kind::text}};
const Schema kOpset{{1, "domain", Kind::text}, {2, "version", Kind::integer}};

// AttributeProto.AttributeType -> the one field that holds its value
const char* value_field(int64_t type) {
    switch (type) {
        case 1: return "f";
        case 2: return "i";
        case 3: return "s";
        case 4: return "t";
        case 6: return "floats";
        case 7: return "ints";
        case 8: return "strings";
        default: return nullptr;
    }
}

std::string list_of(const std::vector<int64_t>& values) {
    std::string text;
    for (const int64_t value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
    return "[" + text + "]";
}

Number whole(double value) {
    return std::isfinite(value) && value == std::floor(value) && std::fabs(value) < 9e15 ? exactly(int64_t(value))
                                                                                        : kUnknown;
}

class Reader {
public:
    Reader(const uint8_t* data, size_t size) : wire_(data, size) {}

    Model model() {
        const Message top = wire_.read({0, wire_.size()}, kModel, "model");
        const int64_t version = top.integer("ir_version");
        if (version < kOldestIr || version > kNewestIr)
            throw GraphError{"ir_version", std::to_string(version),
                             std::to_string(kOldestIr) + " to " + std::to_string(kNewestIr)};
        check_opset(top.parts("opset_import"), "opset_import");
        if (!top.has("graph")) throw GraphError{"graph", "nothing", "a graph"};
        Model model;
        for (const Part& part : top.parts("functions")) {
            auto function = std::make_shared<Function>(read_function(part.span));
            const std::string name = function->name;
            if (!model.functions.emplace(name, std::move(function)).second)
                throw GraphError{"function " + quoted(name), "twice", "once"};
            model.function_order.push_back(name);
        }
        const Message graph = wire_.read(top.span("graph"), kGraph, "graph");
        const std::vector<Part>& tensors = graph.parts("initializer");
        if (tensors.size() > kMostInitialisers)
            throw GraphError{"graph.initializer", std::to_string(tensors.size()) + " tensors",
                             "at most " + std::to_string(kMostInitialisers)};
        for (const Part& part : tensors) {
            std::string name;
            Constant constant = tensor(part.span, nullptr, &name);
            if (name.empty() || !model.initialisers.emplace(name, std::move(constant)).second)
                throw GraphError{"tensor " + quoted(name), "a name twice, or none", "distinct names"};
        }
        for (const Part& part : graph.parts("input")) model.inputs.push_back(value(part.span));
        for (const Part& part : graph.parts("output")) model.outputs.push_back(value(part.span));
        model.nodes = nodes(graph, "graph");
        return model;
    }

private:
    std::string domain(const Message& message) const {
        const std::string text = wire_.text(message, "domain");
        return text == "ai.onnx" ? "" : text;
    }

    // The standard operators of a version known here; those of the two other domains of version 1.
    void check_opset(const std::vector<Part>& parts, const std::string& what) {
        std::map<std::string, int64_t> versions;
        for (const Part& part : parts) {
            const Message entry = wire_.read(part.span, kOpset, what.c_str());
            const std::string name = domain(entry);
            if (versions.count(name) || (!name.empty() && name != kMicrosoft && name != kOwn))
                throw GraphError{what, "domain " + quoted(name),
                                 std::string("each once, of '', '") + kMicrosoft + "' and '" + kOwn + "'"};
            const int64_t version = versions[name] = entry.integer("version");
            const int64_t low = name.empty() ? kOldestOpset : 1, high = name.empty() ? kNewestOpset : 1;
            if (version < low || version > high)
                throw GraphError{what, quoted(name) + " version " + std::to_string(version),
                                 std::to_string(low) + " to " + std::to_string(high)};
        }
        if (!versions.count(""))
            throw GraphError{what, "nothing for the standard operators",
                             std::to_string(kOldestOpset) + " to " + std::to_string(kNewestOpset)};
    }

    Function read_function(Span span) {
        const Message entry = wire_.read(span, kFunction, "function");
        Function function;
        function.name = wire_.text(entry, "name");
        const std::string label = "function " + quoted(function.name);
        if (domain(entry) != kOwn || function.name.empty())
            throw GraphError{label, "domain " + quoted(domain(entry)), std::string("a name and the domain '") + kOwn + "'"};
        function.inputs = wire_.texts(entry, "input");
        function.outputs = wire_.texts(entry, "output");
        std::vector<std::string> names = function.inputs;
        for (const std::string& name : wire_.texts(entry, "attribute")) names.push_back(name);
        const std::set<std::string> distinct(names.begin(), names.end());
        if (distinct.size() != names.size() || distinct.count(""))
            throw GraphError{label, "a name twice, or none", "distinct names of inputs and attributes"};
        function.defaults = attributes(entry.parts("attribute_proto"), label);
        function.nodes = nodes(entry, label);
        check_opset(entry.parts("opset_import"), label + ".opset_import");
        return function;
    }

    std::vector<Node> nodes(const Message& holder, const std::string& what) {
        const std::vector<Part>& parts = holder.parts("node");
        if (parts.size() > kMostNodes)
            throw GraphError{what + ".node", std::to_string(parts.size()) + " nodes",
                             "at most " + std::to_string(kMostNodes)};
        std::vector<Node> found;
        for (const Part& part : parts) found.push_back(node(part.span));
        return found;
    }

    Node node(Span span) {
        const Message entry = wire_.read(span, kNode, "node");
        Node node;
        node.domain = domain(entry);
        node.op = wire_.text(entry, "op_type");
        node.name = wire_.text(entry, "name");
        node.inputs = wire_.texts(entry, "input");
        node.outputs = wire_.texts(entry, "output");
        node.attributes = attributes(entry.parts("attribute"), node.label());
        return node;
    }

    Attributes attributes(const std::vector<Part>& parts, const std::string& label) {
        Attributes found;
        for (const Part& part : parts) {
            const Message entry = attribute(part.span, label);
            const std::string name = wire_.text(entry, "name");
            if (name.empty() || found.count(name))
                throw GraphError{label, "attribute " + quoted(name) + " twice, or without a name", "distinct names"};
            const int64_t type = entry.integer("type");
            const char* const place = value_field(type);
            const std::string where = label + ", attribute " + quoted(name);
            bool fits = place != nullptr && !(entry.has("ref_attr_name") && entry.has(place));
            for (const char* other : {"f", "i", "s", "t", "floats", "ints", "strings"})
                fits = fits && (!entry.has(other) || std::strcmp(other, place) == 0);
            if (!fits)
                throw GraphError{where, "type " + std::to_string(type), "one value, of the stated type"};
            Attribute& attribute = found[name];
            attribute.type = AttributeType(type);
            if (entry.has("ref_attr_name")) attribute.reference = wire_.text(entry, "ref_attr_name");
            else read_value(entry, where, &attribute);
        }
        return found;
    }

    Message attribute(Span span, const std::string& label) {
        try {
            return wire_.read(span, kAttribute, "attribute");
        } catch (const WireError& error) {
            throw GraphError{label, error.got, error.expected};
        }
    }

    void read_value(const Message& entry, const std::string& label, Attribute* attribute) {
        switch (attribute->type) {
            case AttributeType::integer: attribute->integer = entry.integer("i"); break;
            case AttributeType::real:
                attribute->reals = {entry.has("f") ? entry.parts("f")[0].real : 0.0};
                break;
            case AttributeType::integers:
                attribute->integers = wire_.integers(entry.parts("ints"), kMostKnown, label);
                break;
            case AttributeType::reals:
                if (wire_.count(entry.parts("floats"), 4, label) > kMostKnown)
                    throw GraphError{label, "too many numbers", "at most " + std::to_string(kMostKnown)};
                attribute->reals = wire_.reals(entry.parts("floats"));
                break;
            case AttributeType::text: attribute->text = wire_.text(entry, "s").substr(0, kMostKnown); break;
            case AttributeType::tensor:
                if (!entry.has("t")) throw GraphError{label, "nothing", "a tensor"};
                attribute->tensor = tensor(entry.span("t"), &label, nullptr);
                break;
            case AttributeType::texts: break;  // no operator that is allowed reads any
        }
    }

    Constant tensor(Span span, const std::string* called, std::string* name) {
        const Message entry = wire_.read(span, kTensor, "tensor");
        if (name != nullptr) *name = wire_.text(entry, "name");
        const std::string label = called ? *called : "tensor " + quoted(wire_.text(entry, "name"));
        if (entry.integer("data_location") != 0 || entry.has("external_data"))
            throw GraphError{label, "external data", "weights inside the graph: a package reads nothing else"};
        const int64_t kind = entry.integer("data_type");
        const Type* const type = type_of(kind);
        if (type == nullptr)
            throw GraphError{label, "data type " + std::to_string(kind), "numbers of 8 to 64 bits, or bool"};
        Constant constant;
        constant.dims = wire_.integers(entry.parts("dims"), kMostRank, "tensor.dims");
        constant.dtype = type->name;
        uint64_t size = 1;
        bool none = false, large = false;
        for (const int64_t extent : constant.dims) {
            if (extent < 0 || extent >= int64_t(1) << 40)
                throw GraphError{label, "shape " + list_of(constant.dims), "extents from 0 to 2^40"};
            none = none || extent == 0;
            large = large || (extent != 0 && size > (uint64_t(1) << 40) / uint64_t(extent));
            if (!large) size *= uint64_t(extent);
        }
        if (none) size = 0;
        const bool fits = (none || !large) && data_fit(entry, *type, size, label);
        if (!fits)
            throw GraphError{label, "data that do not fit " + constant.dtype + " " + list_of(constant.dims),
                             "as many numbers as the shape says"};
        if (size <= kMostKnown) constant.values = values(entry, kind, size, constant.dtype);
        return constant;
    }

    bool data_fit(const Message& entry, const Type& type, uint64_t size, const std::string& label) const {
        const Data* stored = nullptr;
        size_t count = 0;
        for (const Data& data : kData) {
            if (!entry.has(data.field)) continue;
            if (stored == nullptr) stored = &data;
            ++count;
        }
        if (entry.has("raw_data")) return count == 0 && entry.span("raw_data").size() == size * type.width;
        if (stored == nullptr) return size == 0;
        return count == 1 && std::count(stored->types.begin(), stored->types.end(), type.number) == 1 &&
               wire_.count(entry.parts(stored->field), stored->width, label) == size;
    }

    std::shared_ptr<const std::vector<Number>> values(const Message& entry, int64_t kind, uint64_t size,
                                                      const std::string& dtype) const {
        if ((kind != 1 && kind != 6 && kind != 7 && kind != 9) || (kind == 1 && size > kMostKnownReals)) return nullptr;
        std::vector<Number> found;
        if (size != 0 && entry.has("raw_data")) {
            const uint8_t* from = wire_.data() + entry.span("raw_data").start;
            for (uint64_t i = 0; i < size; ++i) found.push_back(raw_value(from, kind, i));
        } else if (size != 0 && kind == 1) {
            for (const double value : wire_.reals(entry.parts("float_data"))) found.push_back(whole(value));
        } else if (size != 0) {
            for (const int64_t value :
                 wire_.integers(entry.parts(kind == 7 ? "int64_data" : "int32_data"), kMostKnown, "tensor")) {
                if (kind != 7 && (value < INT32_MIN || value > INT32_MAX)) return nullptr;
                found.push_back(exactly(kind == 9 ? value != 0 : value));
            }
        }
        return known_values(std::move(found), dtype, Lengths(1, 1));
    }

    static Number raw_value(const uint8_t* from, int64_t kind, uint64_t index) {
        if (kind == 9) return exactly(from[index] != 0);
        if (kind == 7) {
            int64_t value;
            std::memcpy(&value, from + 8 * index, 8);
            return exactly(value);
        }
        if (kind == 6) {
            int32_t value;
            std::memcpy(&value, from + 4 * index, 4);
            return exactly(value);
        }
        float value;
        std::memcpy(&value, from + 4 * index, 4);
        return whole(value);
    }

    Value value(Span span) {
        const Message entry = wire_.read(span, kValue, "value");
        Value value;
        value.name = wire_.text(entry, "name");
        const std::string label = "value " + quoted(value.name);
        if (value.name.empty() || !entry.has("type")) throw GraphError{label, "no name or no type", "a named tensor"};
        const Message kind = wire_.read(entry.span("type"), kTypeProto, "type");
        if (!kind.has("tensor_type")) throw GraphError{label, "no tensor", "a tensor"};
        const Message tensor = wire_.read(kind.span("tensor_type"), kTensorType, "tensor type");
        const int64_t number = tensor.integer("elem_type");
        const Type* const type = type_of(number);
        if (type == nullptr)
            throw GraphError{label, "element type " + std::to_string(number), "numbers of 8 to 64 bits, or bool"};
        value.dtype = type->name;
        value.shaped = tensor.has("shape");
        if (!value.shaped) return value;
        const Message shape = wire_.read(tensor.span("shape"), kShape, "shape");
        if (shape.parts("dim").size() > kMostRank)
            throw GraphError{label, std::to_string(shape.parts("dim").size()) + " axes",
                             "at most " + std::to_string(kMostRank)};
        for (const Part& part : shape.parts("dim")) {
            const Message extent = wire_.read(part.span, kDimension, "dimension");
            if (extent.has("dim_value") && extent.has("dim_param"))
                throw GraphError{label, "an extent that is a number and a name", "one of the two"};
            value.shape.push_back({extent.has("dim_value"), extent.integer("dim_value"), wire_.text(extent, "dim_param")});
        }
        return value;
    }

    Wire wire_;
};

}  // namespace

std::shared_ptr<const std::vector<Number>> known_values(std::vector<Number> values, const std::string& dtype,
                                                        const Lengths& lengths) {
    if (values.size() > kMostKnown) return nullptr;
    int64_t limit = 0;
    if (dtype == "int64") limit = kLimit;
    else if (dtype == "int32") limit = int64_t(1) << 31;
    else if (dtype == "float32") limit = int64_t(1) << 24;
    else if (dtype == "bool") limit = 2;
    else return nullptr;
    // Beyond it the type does not hold whole numbers exactly, and the sums of a graph are not the sums made here.
    if (dtype != "int64")
        for (Number& value : values)
            if (lengths.low(value) <= -limit || lengths.high(value) >= limit) value = kUnknown;
    return std::make_shared<const std::vector<Number>>(std::move(values));
}

std::string Node::label() const {
    std::string shown = name;
    for (size_t i = 0; shown.empty() && i < outputs.size(); ++i) shown = outputs[i];
    return "node " + quoted(shown);
}

Model read_model(const uint8_t* data, size_t size) {
    if (size > kMostBytes)
        throw GraphError{"size", std::to_string(size) + " bytes", "at most " + std::to_string(kMostBytes)};
    try {
        return Reader(data, size).model();
    } catch (const WireError& error) {
        throw GraphError{"contents", error.got, "an ONNX graph: " + error.expected};
    }
}

}  // namespace emoface::runtime::graphs
