// One call of an operator as its rule sees it: sdk/emoface/graphs/call.py in C++.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph_lengths.h"
#include "graph_model.h"

namespace emoface::runtime::graphs {

using Dims = std::vector<Number>;
using Numbers = std::vector<Number>;

// Bounds of a tensor: its extents, and its elements where it is small and whole.
struct Tensor {
    Dims dims;
    std::shared_ptr<const Numbers> known;
    std::string dtype;  // stated where `known` is
};
Tensor constant_tensor(const Constant& constant);

class Call {
public:
    // Inputs that the call leaves out are null.
    Call(const Node& node, std::vector<const Tensor*> inputs, const Attributes& attributes, const Lengths& lengths)
        : node(node), inputs(std::move(inputs)), attributes(attributes), lengths(lengths) {}

    const Node& node;
    const std::vector<const Tensor*> inputs;
    const Attributes& attributes;
    const Lengths& lengths;
    int64_t work = 0;

    [[noreturn]] void fault(const std::string& got, const std::string& expected) const;
    bool has(size_t index) const { return index < inputs.size() && inputs[index] != nullptr; }
    const Tensor& input(size_t index) const;
    const Dims& dims(size_t index, size_t least = 0) const;
    const Attribute* attribute(const char* name) const;
    int64_t integer(const char* name) const;
    int64_t integer(const char* name, int64_t otherwise) const;
    // An ints attribute, of `length` numbers where that is not -1; none where it is not given.
    std::optional<std::vector<int64_t>> integers(const char* name, int64_t length = -1) const;
    std::string text(const char* name, const char* otherwise) const;
    size_t axis(int64_t value, size_t rank) const;
    const Numbers& values(size_t index, const char* what) const;
    std::vector<int64_t> fixed_values(size_t index, const char* what) const;
    Number extent(const Number& number, const char* what) const;
    Dims broadcast(const Dims& x, const Dims& y) const;
    Number same(const Number& a, const Number& b) const;
    Tensor known(Dims dims, Numbers values, const std::string& dtype) const;
    Tensor result(Dims dims) const;

private:
    Number together(const Number& a, const Number& b) const;
};

using Tensors = std::vector<Tensor>;

// What arithmetic on small whole numbers gives; none where the elements are not known.
std::optional<Tensor> elementwise(const Call& call, const Dims& dims);
std::optional<Tensor> unary(const Call& call);
std::optional<Number> reduced(const Call& call, const Tensor& x);


}  // namespace emoface::runtime::graphs
