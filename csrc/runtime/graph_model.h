// An ONNX file as what the checks need: sdk/emoface/graphs/model.py in C++. Weights are passed over.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph_lengths.h"
#include "graph_wire.h"

namespace emoface::runtime::graphs {

constexpr size_t kMostKnown = 1024, kMostRank = 8;
constexpr const char* kMicrosoft = "com.microsoft";
constexpr const char* kOwn = "emoface";

// A tensor in the file. `values` are there where it is small and of a type that shapes are computed in.
struct Constant {
    std::vector<int64_t> dims;
    std::string dtype;
    std::shared_ptr<const std::vector<Number>> values;
};

// Whole numbers that a type holds exactly, the others unknown; null for types that shapes are not computed in.
std::shared_ptr<const std::vector<Number>> known_values(std::vector<Number> values, const std::string& dtype,
                                                        const Lengths& lengths);

enum class AttributeType { real = 1, integer = 2, text = 3, tensor = 4, reals = 6, integers = 7, texts = 8 };

struct Attribute {
    AttributeType type = AttributeType::integer;
    std::string reference;  // the attribute of the function's call that it stands for
    int64_t integer = 0;
    std::string text;
    std::vector<int64_t> integers;
    std::vector<double> reals;
    Constant tensor;
};
using Attributes = std::map<std::string, Attribute>;

struct Node {
    std::string domain, op, name;
    std::vector<std::string> inputs, outputs;
    Attributes attributes;
    std::string label() const;
};

struct Value {
    std::string name, dtype;
    bool shaped = false;
    struct Extent {
        bool number = false;
        int64_t value = 0;
        std::string name;
    };
    std::vector<Extent> shape;
};

struct Function {
    std::string name;
    std::vector<std::string> inputs, outputs;
    Attributes defaults;
    std::vector<Node> nodes;
};

struct Model {
    std::vector<Value> inputs, outputs;
    std::map<std::string, Constant> initialisers;
    std::vector<Node> nodes;
    std::map<std::string, std::shared_ptr<const Function>> functions;
    std::vector<std::string> function_order;
};

// GraphError for anything but a plain graph whose weights are all inside.
Model read_model(const uint8_t* data, size_t size);

}  // namespace emoface::runtime::graphs
