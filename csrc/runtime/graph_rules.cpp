// Shapes of what computes: sdk/emoface/graphs/rules.py in C++. Each rule is described there.
#include "graph_rules.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace emoface::runtime::graphs {
namespace {

Tensor shaped(Dims dims) { return {std::move(dims), nullptr, ""}; }

Dims part(const Dims& dims, size_t first, size_t last) {
    first = std::min(first, dims.size());
    last = std::max(first, std::min(last, dims.size()));
    return {dims.begin() + std::ptrdiff_t(first), dims.begin() + std::ptrdiff_t(last)};
}

Dims joined(const Dims& x, const Dims& y) {
    Dims dims = x;
    dims.insert(dims.end(), y.begin(), y.end());
    return dims;
}

std::string axes_of(const Dims& x, const Dims& y) {
    return std::to_string(x.size()) + " and " + std::to_string(y.size()) + " axes";
}

Tensor product(Call& call, const Dims& x, const Dims& y) {
    if (x.empty() || y.empty()) call.fault("a product of scalars", "matrices");
    const size_t rows = x.size(), columns = y.size();
    const Number inner = call.same(x.back(), columns > 1 ? y[columns - 2] : y[0]);
    Dims dims = call.broadcast(part(x, 0, rows < 2 ? 0 : rows - 2), part(y, 0, columns < 2 ? 0 : columns - 2));
    if (rows > 1) dims.push_back(x[rows - 2]);
    if (columns > 1) dims.push_back(y.back());
    call.work = call.lengths.high(call.lengths.multiply(call.lengths.product(dims), inner));
    return call.result(dims);
}

// Spatial extents after sliding a window with the node's strides, dilations and padding.
Dims window(Call& call, const Dims& spatial, const Dims& kernel) {
    const Lengths& lengths = call.lengths;
    const int64_t count = int64_t(spatial.size());
    const auto strides = call.integers("strides", count).value_or(std::vector<int64_t>(size_t(count), 1));
    const auto dilations = call.integers("dilations", count).value_or(std::vector<int64_t>(size_t(count), 1));
    const auto pads = call.integers("pads", 2 * count).value_or(std::vector<int64_t>(size_t(2 * count), 0));
    const std::string automatic = call.text("auto_pad", "NOTSET");
    const auto positive = [](int64_t value) { return value > 0 && value < 1 << 20; };
    const auto padding_fits = [](int64_t value) { return value >= 0 && value < 1 << 20; };
    if (!std::all_of(strides.begin(), strides.end(), positive) ||
        !std::all_of(dilations.begin(), dilations.end(), positive) ||
        !std::all_of(pads.begin(), pads.end(), padding_fits))
        call.fault("strides, dilations or pads out of range", "positive strides and dilations, pads from 0");
    const bool up = call.integer("ceil_mode", 0) != 0;
    Dims result;
    for (size_t axis = 0; axis < spatial.size(); ++axis) {
        const Number stride = exactly(strides[axis]);
        if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
            result.push_back(lengths.divide(spatial[axis], stride, true));
            continue;
        }
        const Number reach = lengths.multiply(lengths.subtract(kernel[axis], kOne), exactly(dilations[axis]));
        const int64_t padding = automatic == "NOTSET" ? pads[axis] + pads[axis + size_t(count)] : 0;
        const Number room = call.extent(
            lengths.subtract(lengths.add(spatial[axis], exactly(padding)), lengths.add(reach, kOne)), "an extent");
        result.push_back(lengths.add(lengths.divide(room, stride, up), kOne));
    }
    return result;
}

Tensors convolved(Call& call, size_t weight) {
    const Dims &x = call.dims(0, 3), &w = call.dims(weight, 3);
    if (x.size() != w.size()) call.fault(axes_of(x, w), "as many");
    const Dims dims = joined({x[0], w[0]}, window(call, part(x, 2, x.size()), part(w, 2, w.size())));
    call.work = call.lengths.high(call.lengths.product(joined(dims, part(w, 1, w.size()))));
    return {call.result(dims)};
}

}  // namespace

Tensors same(Call& call) {
    if (std::optional<Tensor> known = unary(call)) return {*known};
    return {shaped(call.dims(0))};
}

Tensors normalised(Call& call) {
    return Tensors(std::max<size_t>(1, call.node.outputs.size()), shaped(call.dims(0)));
}

Tensors broadcast(Call& call) {
    Dims dims = call.dims(0);
    for (size_t i = 1; i < call.inputs.size(); ++i) dims = call.broadcast(dims, call.dims(i));
    if (std::optional<Tensor> known = elementwise(call, dims)) return {*known};
    return {call.result(dims)};
}

Tensors matmul(Call& call) { return {product(call, call.dims(0), call.dims(1))}; }

Tensors quantised_matmul(Call& call) { return {product(call, call.dims(0), call.dims(3))}; }

Tensors gemm(Call& call) {
    Dims x = call.dims(0), y = call.dims(1);
    if (x.size() != 2 || y.size() != 2) call.fault(axes_of(x, y), "two matrices");
    if (call.integer("transA", 0)) std::swap(x[0], x[1]);
    if (call.integer("transB", 0)) std::swap(y[0], y[1]);
    return {product(call, x, y)};
}

Tensors einsum(Call& call) {
    std::string text = call.text("equation", "");
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    const size_t arrow = text.find("->");
    const std::string left = text.substr(0, arrow), right = arrow == std::string::npos ? "" : text.substr(arrow + 2);
    const auto letters = [](const std::string& of) {
        return std::all_of(of.begin(), of.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
    };
    std::vector<std::string> terms{""};
    std::string all;
    for (const char c : left) {
        if (c == ',') terms.emplace_back();
        else terms.back() += c, all += c;
    }
    if (arrow == std::string::npos || all.empty() || !letters(all) || !letters(right))
        call.fault("equation " + quoted(text), "letters, commas and '->'");
    if (terms.size() != call.inputs.size() || terms.size() > 2)
        call.fault("equation " + quoted(text) + " of " + std::to_string(terms.size()) + " terms",
                   "one for each input, two at most");
    std::map<char, Number> extents;
    std::string order;
    for (size_t index = 0; index < terms.size(); ++index) {
        const Dims& dims = call.dims(index);
        if (terms[index].size() != dims.size())
            call.fault("term " + quoted(terms[index]) + " for " + std::to_string(dims.size()) + " axes",
                       "a letter for each axis");
        for (size_t i = 0; i < dims.size(); ++i) {
            const char letter = terms[index][i];
            const auto found = extents.find(letter);
            if (found == extents.end()) extents[letter] = dims[i];
            else found->second = call.broadcast({found->second}, {dims[i]})[0];
        }
    }
    Dims dims, every;
    for (const char letter : right) {
        if (!extents.count(letter) || std::count(right.begin(), right.end(), letter) != 1)
            call.fault("equation " + quoted(text), "an output of letters of the inputs, each once");
        dims.push_back(extents[letter]);
    }
    for (const auto& [letter, extent] : extents) every.push_back(extent);
    call.work = call.lengths.high(call.lengths.product(every));
    return {call.result(dims)};
}

Tensors convolution(Call& call) { return convolved(call, 1); }

Tensors quantised_convolution(Call& call) { return convolved(call, 3); }

Tensors transposed_convolution(Call& call) {
    const Lengths& lengths = call.lengths;
    const Dims &x = call.dims(0, 3), &w = call.dims(1, 3);
    const int64_t count = int64_t(x.size()) - 2;
    if (w.size() != x.size() || call.text("auto_pad", "NOTSET") != "NOTSET")
        call.fault("a weight of other axes, or auto_pad", "as many axes, and pads spelt out");
    const auto strides = call.integers("strides", count).value_or(std::vector<int64_t>(size_t(count), 1));
    const auto dilations = call.integers("dilations", count).value_or(std::vector<int64_t>(size_t(count), 1));
    const auto pads = call.integers("pads", 2 * count).value_or(std::vector<int64_t>(size_t(2 * count), 0));
    const auto extra = call.integers("output_padding", count).value_or(std::vector<int64_t>(size_t(count), 0));
    const auto wanted = call.integers("output_shape", count);
    const int64_t groups = call.integer("group", 1);
    const auto positive = [](int64_t value) { return value > 0 && value < 1 << 20; };
    const auto extra_fits = [](int64_t value) { return value >= 0 && value < 1 << 20; };
    if (!std::all_of(strides.begin(), strides.end(), positive) ||
        !std::all_of(dilations.begin(), dilations.end(), positive) || !positive(groups) ||
        !std::all_of(extra.begin(), extra.end(), extra_fits))
        call.fault("strides, dilations or output_padding out of range", "positive numbers");
    Dims dims{x[0], lengths.multiply(w[1], exactly(groups))};
    for (size_t axis = 0; axis < size_t(count); ++axis) {
        const Number length = lengths.multiply(lengths.subtract(x[2 + axis], kOne), exactly(strides[axis]));
        const Number reach = lengths.multiply(lengths.subtract(w[2 + axis], kOne), exactly(dilations[axis]));
        const Number rest = exactly(extra[axis] + 1 - pads[axis] - pads[axis + size_t(count)]);
        const Number computed = lengths.add(lengths.add(length, reach), rest);
        dims.push_back(call.extent(wanted ? exactly((*wanted)[axis]) : computed, "an extent"));
    }
    call.work = lengths.high(lengths.product(joined(x, part(w, 1, w.size()))));
    return {call.result(dims)};
}

Tensors pool(Call& call) {
    const Dims& x = call.dims(0, 3);
    const auto kernel = call.integers("kernel_shape", int64_t(x.size()) - 2);
    const auto positive = [](int64_t value) { return value > 0 && value < 1 << 20; };
    if (!kernel || !std::all_of(kernel->begin(), kernel->end(), positive))
        call.fault("kernel_shape", "a positive extent for each axis");
    Dims extents;
    for (const int64_t extent : *kernel) extents.push_back(exactly(extent));
    const Dims dims = joined({x[0], x[1]}, window(call, part(x, 2, x.size()), extents));
    call.work = call.lengths.high(call.lengths.product(joined(dims, extents)));
    return Tensors(std::max<size_t>(1, call.node.outputs.size()), call.result(dims));
}

Tensors global_pool(Call& call) {
    Dims dims = call.dims(0, 3);
    std::fill(dims.begin() + 2, dims.end(), kOne);
    return {shaped(dims)};
}

Tensors recurrent(Call& call) {
    const Dims &x = call.dims(0), &w = call.dims(2);
    if (x.size() != 3 || w.size() != 3) call.fault(axes_of(x, w), "three of each");
    const Number hidden = exactly(call.integer("hidden_size"));
    const Number directions = exactly(call.text("direction", "forward") == "bidirectional" ? 2 : 1);
    const bool batch_first = call.integer("layout", 0) != 0;
    const Number time = batch_first ? x[1] : x[0], batch = batch_first ? x[0] : x[1];
    call.extent(hidden, "hidden_size");
    call.same(w[2], hidden);
    const Dims y = batch_first ? Dims{batch, time, directions, hidden} : Dims{time, directions, batch, hidden};
    const Dims last = batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
    const Dims& input = call.dims(1);
    const Dims weights = joined(part(input, 1, input.size()), {w[1]});
    call.work = call.lengths.high(call.lengths.multiply(call.lengths.product(y), call.lengths.product(weights)));
    return {shaped(y), shaped(last), shaped(last)};
}

Tensors reduction(Call& call) {
    const Tensor& x = call.input(0);
    const size_t rank = x.dims.size();
    std::optional<std::vector<int64_t>> given;
    if (call.has(1)) given = call.fixed_values(1, "axes");
    else given = call.integers("axes");
    std::vector<bool> chosen(rank, false);
    bool some = false;
    if (given)
        for (const int64_t axis : *given) chosen[call.axis(axis, rank)] = some = true;
    if (!some && call.integer("noop_with_empty_axes", 0)) return {shaped(x.dims)};
    if (!some) chosen.assign(rank, true);
    const bool every = std::all_of(chosen.begin(), chosen.end(), [](bool axis) { return axis; });
    const bool keep = call.integer("keepdims", 1) != 0;
    Dims dims;
    for (size_t i = 0; i < rank; ++i)
        if (keep || !chosen[i]) dims.push_back(chosen[i] ? kOne : x.dims[i]);
    if (every)
        if (const std::optional<Number> total = reduced(call, x)) return {call.known(dims, {*total}, x.dtype)};
    return {shaped(dims)};
}

Tensors arg_reduction(Call& call) {
    const Dims& x = call.dims(0, 1);
    const size_t axis = call.axis(call.integer("axis", 0), x.size());
    const bool keep = call.integer("keepdims", 1) != 0;
    Dims dims;
    for (size_t i = 0; i < x.size(); ++i)
        if (keep || i != axis) dims.push_back(i == axis ? kOne : x[i]);
    return {shaped(dims)};
}

Tensors dynamic_quantisation(Call& call) { return {shaped(call.dims(0)), shaped({}), shaped({})}; }

Tensors depth_to_space(Call& call) {
    const Dims& x = call.dims(0);
    const Lengths& lengths = call.lengths;
    const int64_t size = call.integer("blocksize");
    if (x.size() != 4 || size <= 0 || size >= 1 << 10)
        call.fault(std::to_string(x.size()) + " axes, blocksize " + std::to_string(size),
                   "four axes and a block of 1 to 1023");
    const Number block = exactly(size), area = exactly(size * size);
    if (call.node.op == "DepthToSpace")
        return {call.result({x[0], lengths.divide(x[1], area), lengths.multiply(x[2], block), lengths.multiply(x[3], block)})};
    return {call.result({x[0], lengths.multiply(x[1], area), lengths.divide(x[2], block), lengths.divide(x[3], block)})};
}

}  // namespace emoface::runtime::graphs
