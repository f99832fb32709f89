// Operators on small whole numbers: shapes, axes, indices. sdk/emoface/graphs/arithmetic.py in C++.
#include <algorithm>
#include <set>

#include "graph_call.h"

namespace emoface::runtime::graphs {
namespace {

Number inverted(const Number& value) { return {0, 1 - value.high, 1 - value.low}; }

// For every element of `shape` its place in a tensor of `dims`, which is broadcast to it.
std::vector<size_t> picked(const std::vector<int64_t>& shape, const Dims& dims) {
    std::vector<size_t> places{0};
    const size_t pad = shape.size() - dims.size();
    for (size_t axis = 0; axis < shape.size(); ++axis) {
        const size_t own = axis >= pad ? size_t(dims[axis - pad].low) : 1;
        std::vector<size_t> next;
        for (const size_t place : places)
            for (size_t i = 0; i < size_t(shape[axis]); ++i) next.push_back(place * own + (own > 1 ? i : 0));
        places = std::move(next);
    }
    return places;
}

std::optional<Number> combined(const Lengths& lengths, const std::string& op, const Number& x, const Number& y) {
    if (op == "Add" || op == "Sum") return lengths.add(x, y);
    if (op == "Sub") return lengths.subtract(x, y);
    if (op == "Mul") return lengths.multiply(x, y);
    if (op == "Max") return lengths.larger(x, y);
    if (op == "Min") return lengths.smaller(x, y);
    return std::nullopt;
}

std::optional<Number> compared(const Lengths& lengths, const std::string& op, const Number& x, const Number& y) {
    if (op == "Equal") return lengths.equal(x, y);
    if (op == "GreaterOrEqual") return lengths.at_least(x, y);
    if (op == "LessOrEqual") return lengths.at_least(y, x);
    if (op == "Less") return inverted(lengths.at_least(x, y));
    if (op == "Greater") return inverted(lengths.at_least(y, x));
    return std::nullopt;
}

Number choice(const Lengths& lengths, const Number& condition, const Number& x, const Number& y) {
    if (condition == kOne) return x;
    return condition == kZero ? y : lengths.either(x, y);
}

// Known elements in another type.
std::optional<Tensor> cast(const Call& call, const Tensor& x, const std::string& dtype) {
    if (!x.known || dtype.empty()) return std::nullopt;
    if (dtype == "bool") {
        Numbers truths;
        for (const Number& value : *x.known) truths.push_back(inverted(call.lengths.equal(value, kZero)));
        return call.known(x.dims, truths, dtype);
    }
    if (dtype == "int64" || dtype == x.dtype) return Tensor{x.dims, x.known, dtype};
    return call.known(x.dims, *x.known, dtype);
}

std::string cast_type(int64_t number) {
    return number == 1 ? "float32" : number == 6 ? "int32" : number == 7 ? "int64" : number == 9 ? "bool" : "";
}

std::optional<Tensor> clip(const Call& call, const Tensor& x) {
    std::optional<Number> bounds[2];
    for (size_t index = 1; index <= 2; ++index) {
        if (!call.has(index)) continue;
        const Tensor& bound = call.input(index);
        if (!bound.known || bound.known->size() != 1 || bound.dtype != x.dtype) return std::nullopt;
        bounds[index - 1] = bound.known->front();
    }
    Numbers values;
    for (Number value : *x.known) {
        if (value == kUnknown && bounds[0] && bounds[1]) {
            // Between two bounds even what is unknown is known well enough for an index.
            values.push_back(call.lengths.either(*bounds[0], *bounds[1]));
            continue;
        }
        if (bounds[0]) value = call.lengths.larger(value, *bounds[0]);
        values.push_back(bounds[1] ? call.lengths.smaller(value, *bounds[1]) : value);
    }
    return call.known(x.dims, values, x.dtype);
}

}  // namespace

std::optional<Tensor> elementwise(const Call& call, const Dims& dims) {
    std::vector<const Tensor*> inputs;
    for (const Tensor* tensor : call.inputs)
        if (tensor != nullptr) inputs.push_back(tensor);
    const auto all_fixed = [](const Dims& of) { return std::all_of(of.begin(), of.end(), fixed); };
    bool fit = all_fixed(dims) && inputs.size() <= 8;
    for (const Tensor* tensor : inputs) fit = fit && tensor->known && all_fixed(tensor->dims);
    if (!fit) return std::nullopt;
    if (inputs.size() > 1 && inputs[inputs.size() - 1]->dtype != inputs[inputs.size() - 2]->dtype) return std::nullopt;
    std::vector<int64_t> shape;
    int64_t total = 1;
    for (const Number& extent : dims) {
        shape.push_back(extent.low);
        total = saturated_product(total, extent.low);
    }
    // Of none there is nothing to know, however large the other extents are.
    if (total < 1 || total > int64_t(kMostKnown)) return std::nullopt;
    std::vector<Numbers> columns;
    for (const Tensor* tensor : inputs) {
        columns.emplace_back();
        for (const size_t place : picked(shape, tensor->dims)) columns.back().push_back((*tensor->known)[place]);
    }
    const std::string& op = call.node.op;
    const std::string& dtype = inputs.back()->dtype;
    const Lengths& lengths = call.lengths;
    Numbers results = columns[0];
    const size_t count = results.size();
    if (op == "Where" && columns.size() == 3) {
        for (size_t i = 0; i < count; ++i) results[i] = choice(lengths, columns[0][i], columns[1][i], columns[2][i]);
        return call.known(dims, results, dtype);
    }
    if (columns.size() == 2 && compared(lengths, op, kZero, kZero)) {
        for (size_t i = 0; i < count; ++i) results[i] = *compared(lengths, op, columns[0][i], columns[1][i]);
        return call.known(dims, results, "bool");
    }
    if ((op == "And" || op == "Or") && columns.size() == 2 && dtype == "bool") {
        for (size_t i = 0; i < count; ++i) {
            const Number &x = columns[0][i], &y = columns[1][i];
            results[i] = op == "And" ? Number{0, std::min(x.low, y.low), std::min(x.high, y.high)}
                                     : Number{0, std::max(x.low, y.low), std::max(x.high, y.high)};
        }
        return call.known(dims, results, "bool");
    }
    if ((op == "Div" || op == "Mod") && columns.size() == 2 && (dtype == "int64" || dtype == "int32")) {
        const bool truncated = op == "Mod" && call.integer("fmod", 0) != 0;
        for (size_t i = 0; i < count; ++i)
            results[i] = op == "Div" ? lengths.divide(columns[0][i], columns[1][i])
                                     : lengths.remainder(columns[0][i], columns[1][i], truncated);
        return call.known(dims, results, dtype);
    }
    if (!combined(lengths, op, kZero, kZero) || dtype == "bool") return std::nullopt;
    for (size_t column = 1; column < columns.size(); ++column)
        for (size_t i = 0; i < count; ++i) results[i] = *combined(lengths, op, results[i], columns[column][i]);
    return call.known(dims, results, dtype);
}

std::optional<Tensor> unary(const Call& call) {
    const Tensor& x = call.input(0);
    if (!x.known) return std::nullopt;
    const std::string& op = call.node.op;
    if (op == "Identity" || op == "Floor" || op == "Ceil" || op == "Round") return x;
    if ((op == "Neg" || op == "Abs") && x.dtype != "bool") {
        Numbers values;
        for (const Number& value : *x.known) {
            const Number negated = call.lengths.negate(value);
            values.push_back(op == "Neg" ? negated : call.lengths.larger(value, negated));
        }
        return call.known(x.dims, values, x.dtype);
    }
    if (op == "Not") {
        Numbers values;
        for (const Number& value : *x.known) values.push_back(inverted(value));
        return call.known(x.dims, values, "bool");
    }
    if (op == "Cast") return cast(call, x, cast_type(call.integer("to")));
    if (op == "CastLike") return cast(call, x, call.input(1).dtype);
    if (op == "Clip") return clip(call, x);
    return std::nullopt;
}

std::optional<Number> reduced(const Call& call, const Tensor& x) {
    const std::string& op = call.node.op;
    const char* const combine = op == "ReduceSum"    ? "Add"
                                : op == "ReduceProd" ? "Mul"
                                : op == "ReduceMax"  ? "Max"
                                : op == "ReduceMin"  ? "Min"
                                                     : nullptr;
    if (!x.known || combine == nullptr || x.known->empty()) return std::nullopt;
    Number total = x.known->front();
    for (size_t i = 1; i < x.known->size(); ++i) total = *combined(call.lengths, combine, total, (*x.known)[i]);
    return total;
}

}  // namespace emoface::runtime::graphs
