// Shapes of what moves, repeats and makes elements: sdk/emoface/graphs/movement.py in C++.
#include <algorithm>
#include <cmath>
#include <set>

#include "graph_rules.h"

namespace emoface::runtime::graphs {
namespace {

Tensor shaped(Dims dims) { return {std::move(dims), nullptr, ""}; }

bool all_fixed(const Dims& dims) { return std::all_of(dims.begin(), dims.end(), fixed); }

Dims replaced(Dims dims, size_t axis, const Number& extent) {
    dims[axis] = extent;
    return dims;
}

Dims inserted(const Dims& x, size_t first, const Dims& between, size_t last) {
    Dims dims(x.begin(), x.begin() + std::ptrdiff_t(first));
    dims.insert(dims.end(), between.begin(), between.end());
    dims.insert(dims.end(), x.begin() + std::ptrdiff_t(last), x.end());
    return dims;
}

// An extent that is no more than another.
Number limited(const Call& call, const Number& extent, const Number& most) {
    return call.lengths.high(extent) <= call.lengths.high(most) ? extent : most;
}

Dims extents(const Call& call, size_t index, const char* what, const char* each) {
    Dims dims;
    for (const Number& value : call.values(index, what)) dims.push_back(call.extent(value, each));
    return dims;
}

// A few elements that are all the same.
bool few(const Number& total) { return fixed(total) && total.low <= int64_t(kMostKnown); }

// What is left for -1, after equal extents are taken out on both sides.
Dims filled(const Call& call, const Dims& given, const std::vector<std::optional<Number>>& wanted) {
    const Lengths& lengths = call.lengths;
    Dims left = given, others, dims;
    bool open = false;
    for (const std::optional<Number>& extent : wanted) {
        open = open || !extent;
        if (!extent) continue;
        // Only what is the same for every n, or the same a n + b, cancels.
        const auto found = std::find(left.begin(), left.end(), *extent);
        if (found != left.end() && extent->low == extent->high && lengths.low(*extent) > 0) left.erase(found);
        else others.push_back(*extent);
    }
    const int64_t most = lengths.high(lengths.product(given));
    Number rest = lengths.product(others);
    if (lengths.low(rest) < 1) rest = kOne;
    const Number quotient = lengths.divide(lengths.product(left), rest);
    for (const std::optional<Number>& extent : wanted) {
        if (open) dims.push_back(extent ? *extent : quotient);
        else dims.push_back(lengths.high(*extent) <= most ? *extent : Number{0, 0, most});
    }
    return dims;
}

// Where a slice starts or ends: counted from the end if negative, clamped to 0 and the extent.
Number border(const Lengths& lengths, Number value, const Number& extent) {
    if (fixed(value)) {
        // A constant beyond all extents, as exporters write for "to the end"
        constexpr int64_t far = int64_t(1) << 40;
        value = {0, std::max(-far, value.low), std::min(far, value.high)};
    }
    if (value == kUnknown) return {0, 0, lengths.high(extent)};
    if (lengths.high(value) < 0) {
        value = lengths.add(value, extent);
        if (value == kUnknown) return kZero;
    } else if (lengths.low(value) < 0) {
        return {0, 0, lengths.high(extent)};
    }
    return lengths.smaller(lengths.larger(value, kZero), extent);
}

Numbers numbers(const Call& call, size_t index, size_t count) {
    const Tensor& tensor = call.input(index);
    return tensor.known ? *tensor.known : Numbers(count, kUnknown);
}

std::optional<Numbers> sliced(const Tensor& x, const Number& start, const Number& end, int64_t step) {
    if (!x.known || !fixed(start) || !fixed(end) || step < 0) return std::nullopt;
    const int64_t size = int64_t(x.known->size());
    const auto place = [size](int64_t value) {
        return std::max<int64_t>(0, std::min(size, value < 0 ? value + size : value));
    };
    Numbers chosen;
    for (int64_t i = place(start.low); i < place(end.low); i += std::min(step, size + 1)) chosen.push_back((*x.known)[size_t(i)]);
    return chosen;
}

}  // namespace

Tensors constant(Call& call) {
    const Attribute* given = nullptr;
    std::string name;
    size_t count = 0;
    for (const auto& [key, attribute] : call.attributes) {
        if (key.compare(0, 5, "value") != 0) continue;
        given = &attribute;
        name = key;
        ++count;
    }
    if (count != 1) call.fault(std::to_string(count) + " values", "one");
    if (name == "value" && given->type == AttributeType::tensor) return {constant_tensor(given->tensor)};
    const bool integers = name == "value_int" || name == "value_ints";
    const bool list = name.back() == 's';
    const bool typed = given->type == (integers ? (list ? AttributeType::integers : AttributeType::integer)
                                                : (list ? AttributeType::reals : AttributeType::real));
    if ((!integers && name != "value_float" && name != "value_floats") || !typed)
        call.fault("attribute " + name, "a tensor or numbers");
    Numbers values;
    if (integers && !list) values.push_back(exactly(given->integer));
    for (const int64_t value : given->integers) values.push_back(exactly(value));
    for (const double value : given->reals) {
        const bool whole = std::isfinite(value) && value == std::floor(value) && std::fabs(value) < 9e15;
        values.push_back(whole ? exactly(int64_t(value)) : kUnknown);
    }
    const Dims dims = list ? Dims{exactly(int64_t(values.size()))} : Dims{};
    return {call.known(dims, values, integers ? "int64" : "float32")};
}

Tensors shape(Call& call) {
    const Dims& dims = call.dims(0);
    const int64_t rank = int64_t(dims.size());
    int64_t start = call.integer("start", 0), end = call.integer("end", rank);
    start = std::max<int64_t>(0, std::min(rank, start < 0 ? start + rank : start));
    end = std::max(start, std::min(rank, end < 0 ? end + rank : end));
    return {call.known({exactly(end - start)}, {dims.begin() + start, dims.begin() + end}, "int64")};
}

Tensors size(Call& call) { return {call.known({}, {call.lengths.product(call.dims(0))}, "int64")}; }

Tensors constant_of_shape(Call& call) {
    const Dims dims = extents(call, 0, "a shape", "an extent");
    Tensor element{{kOne}, std::make_shared<const Numbers>(Numbers{kZero}), "float32"};
    if (const Attribute* value = call.attribute("value")) {
        if (value->type != AttributeType::tensor || value->tensor.dims.size() > 1)
            call.fault("attribute value", "a tensor of one element");
        element = constant_tensor(value->tensor);
    }
    const Number total = call.lengths.product(dims);
    if (element.known && !element.known->empty() && all_fixed(dims) && few(total))
        return {call.known(call.result(dims).dims, Numbers(size_t(total.low), element.known->front()), element.dtype)};
    return {call.result(dims)};
}

Tensors range(Call& call) {
    const Lengths& lengths = call.lengths;
    Number bounds[3];
    for (size_t i = 0; i < 3; ++i) {
        const Numbers& values = call.values(i, "a range");
        if (values.empty()) call.fault("a range without its numbers", "start, limit and delta");
        bounds[i] = values.front();
    }
    const auto& [start, limit, delta] = bounds;
    const bool down = fixed(delta) && delta.low < 0;
    const Number distance = call.extent(down ? lengths.subtract(start, limit) : lengths.subtract(limit, start), "a range");
    const Number count = call.extent(lengths.divide(distance, down ? lengths.negate(delta) : delta, true), "a range");
    if (fixed(count) && fixed(start) && fixed(delta) && count.low <= int64_t(kMostKnown)) {
        Numbers values;
        for (int64_t i = 0; i < count.low; ++i)
            values.push_back(exactly(start.low + saturated_product(i, delta.low)));
        return {call.known({count}, values, call.input(0).dtype)};
    }
    return {shaped({count})};
}

Tensors reshape(Call& call) {
    const Tensor& x = call.input(0);
    const Lengths& lengths = call.lengths;
    const bool keep_zero = call.integer("allowzero", 0) != 0;
    std::vector<std::optional<Number>> wanted;
    const Numbers& values = call.values(1, "a shape");
    size_t open = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        const Number& value = values[i];
        if (value == exactly(-1)) {
            wanted.emplace_back();
            ++open;
        } else if (value == kZero && !keep_zero) {
            if (i >= x.dims.size())
                call.fault("extent 0 at axis " + std::to_string(i), "an axis of the input to copy");
            wanted.emplace_back(x.dims[i]);
        } else if (lengths.low(value) > 0 || value == kZero) {
            wanted.emplace_back(call.extent(value, "an extent"));
        } else {
            // It may be 0 or -1 for some n: then it is no more than everything.
            wanted.emplace_back(Number{0, 0, lengths.high(lengths.product(x.dims))});
        }
    }
    if (open > 1) call.fault("-1 twice", "once at most");
    const Tensor result = call.result(filled(call, x.dims, wanted));
    if (x.known && all_fixed(result.dims)) return {{result.dims, x.known, x.dtype}};
    return {result};
}

Tensors flatten(Call& call) {
    const Dims& x = call.dims(0);
    const int64_t given = call.integer("axis", 1);
    const size_t axis = given == int64_t(x.size()) ? x.size() : call.axis(given, std::max<size_t>(1, x.size()));
    return {call.result({call.lengths.product({x.begin(), x.begin() + std::ptrdiff_t(std::min(axis, x.size()))}),
                         call.lengths.product({x.begin() + std::ptrdiff_t(std::min(axis, x.size())), x.end()})})};
}

Tensors transpose(Call& call) {
    const Tensor& x = call.input(0);
    const size_t rank = x.dims.size();
    std::vector<int64_t> order;
    for (size_t i = rank; i-- > 0;) order.push_back(int64_t(i));
    order = call.integers("perm", int64_t(rank)).value_or(order);
    Dims dims;
    const std::set<int64_t> distinct(order.begin(), order.end());
    if (distinct.size() != rank || (rank && (*distinct.begin() != 0 || *distinct.rbegin() != int64_t(rank) - 1))) {
        std::string text;
        for (const int64_t axis : order) text += (text.empty() ? "" : ", ") + std::to_string(axis);
        call.fault("perm [" + text + "]", "every axis once");
    }
    for (const int64_t axis : order) dims.push_back(x.dims[size_t(axis)]);
    return {rank < 2 ? Tensor{dims, x.known, x.dtype} : shaped(dims)};
}

Tensors concat(Call& call) {
    if (call.inputs.empty()) call.fault("no input", "at least one");
    Dims dims = call.dims(0, 1);
    const size_t rank = dims.size(), axis = call.axis(call.integer("axis"), rank);
    bool known = rank == 1;
    Numbers values;
    for (size_t index = 0; index < call.inputs.size(); ++index) {
        const Tensor& tensor = call.input(index);
        known = known && tensor.known && tensor.dtype == call.input(0).dtype;
        if (known) values.insert(values.end(), tensor.known->begin(), tensor.known->end());
        if (index == 0) continue;
        if (tensor.dims.size() != rank)
            call.fault(std::to_string(rank) + " and " + std::to_string(tensor.dims.size()) + " axes", "as many");
        for (size_t i = 0; i < rank; ++i)
            dims[i] = i == axis ? call.lengths.add(dims[i], tensor.dims[i]) : call.same(dims[i], tensor.dims[i]);
    }
    if (known) return {call.known(dims, values, call.input(0).dtype)};
    return {call.result(dims)};
}

Tensors split(Call& call) {
    const Tensor& x = call.input(0);
    const size_t axis = call.axis(call.integer("axis", 0), x.dims.size()), count = call.node.outputs.size();
    Dims parts;
    if (call.has(1)) {
        parts = extents(call, 1, "parts", "a part");
    } else {
        const int64_t pieces = call.integer("num_outputs", int64_t(count));
        if (pieces <= 0 || pieces > 1 << 10) call.fault("num_outputs " + std::to_string(pieces), "1 to 1024");
        parts.assign(size_t(pieces), call.lengths.divide(x.dims[axis], exactly(pieces), true));
    }
    if (parts.size() < count) call.fault(std::to_string(parts.size()) + " parts", std::to_string(count));
    Tensors results;
    int64_t place = 0;
    for (size_t i = 0; i < count; ++i) {
        const Dims dims = replaced(x.dims, axis, limited(call, parts[i], x.dims[axis]));
        if (x.dims.size() == 1 && x.known && fixed(parts[i]) && call.has(1)) {
            const int64_t size = int64_t(x.known->size()), first = std::min(place, size);
            const int64_t last = std::min(size, place + parts[i].low);
            results.push_back({dims, std::make_shared<const Numbers>(x.known->begin() + first, x.known->begin() + last),
                               x.dtype});
            place = last;
        } else {
            results.push_back(shaped(dims));
        }
    }
    return results;
}

Tensors slice(Call& call) {
    const Tensor& x = call.input(0);
    const Lengths& lengths = call.lengths;
    Dims dims = x.dims;
    const Dims& given = call.dims(1);
    if (given.size() != 1 || !fixed(given[0]) || given[0].low > int64_t(dims.size()))
        call.fault("starts that are no list", "one for each axis that is cut");
    const size_t count = size_t(given[0].low);
    const Numbers starts = numbers(call, 1, count), ends = numbers(call, 2, count);
    std::vector<int64_t> axes, steps(count, 1);
    for (size_t i = 0; i < count; ++i) axes.push_back(int64_t(i));
    if (call.has(3)) axes = call.fixed_values(3, "axes");
    if (call.has(4)) steps = call.fixed_values(4, "steps");
    if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size() ||
        std::count(steps.begin(), steps.end(), 0) != 0)
        call.fault("starts, ends, axes and steps of different lengths, or a step of 0", "one of each");
    std::vector<size_t> places;
    for (const int64_t axis : axes) places.push_back(call.axis(axis, dims.size()));
    if (std::set<size_t>(places.begin(), places.end()).size() != places.size()) call.fault("an axis twice", "once");
    for (size_t i = 0; i < places.size(); ++i) {
        Number& extent = dims[places[i]];
        if (steps[i] < 0) {
            extent = {0, 0, lengths.high(lengths.divide(extent, exactly(-steps[i]), true))};
            continue;
        }
        const Number first = border(lengths, starts[i], extent), last = border(lengths, ends[i], extent);
        const Number length = lengths.larger(lengths.subtract(last, first), kZero);
        extent = limited(call, lengths.divide(length, exactly(steps[i]), true), extent);
    }
    if (x.dims.size() == 1 && places.size() == 1)
        if (const std::optional<Numbers> known = sliced(x, starts[0], ends[0], steps[0]))
            return {call.known({exactly(int64_t(known->size()))}, *known, x.dtype)};
    return {shaped(dims)};
}

Tensors squeeze(Call& call) {
    const Tensor& x = call.input(0);
    std::set<size_t> axes;
    if (call.has(1)) {
        for (const int64_t axis : call.fixed_values(1, "axes")) axes.insert(call.axis(axis, x.dims.size()));
        for (const size_t axis : axes)
            if (call.lengths.low(x.dims[axis]) > 1) call.fault("an axis of more than one item", "axes of extent 1");
    } else {
        for (size_t i = 0; i < x.dims.size(); ++i) {
            if (!fixed(x.dims[i]) && call.lengths.low(x.dims[i]) <= 1) call.fault("axes that n decides", "axes spelt out");
            if (x.dims[i] == kOne) axes.insert(i);
        }
    }
    Dims dims;
    for (size_t i = 0; i < x.dims.size(); ++i)
        if (!axes.count(i)) dims.push_back(x.dims[i]);
    return {{dims, x.known, x.dtype}};
}

Tensors unsqueeze(Call& call) {
    const Tensor& x = call.input(0);
    const std::vector<int64_t> axes = call.fixed_values(1, "axes");
    const size_t rank = x.dims.size() + axes.size();
    std::set<size_t> places;
    for (const int64_t axis : axes) places.insert(call.axis(axis, rank));
    if (places.size() != axes.size()) call.fault("an axis twice", "once");
    Dims dims;
    size_t next = 0;
    for (size_t i = 0; i < rank; ++i) dims.push_back(places.count(i) ? kOne : x.dims[next++]);
    return {{call.result(dims).dims, x.known, x.dtype}};
}

Tensors expand(Call& call) {
    const Tensor& x = call.input(0);
    const Dims wanted = extents(call, 1, "a shape", "an extent");
    const Tensor result = call.result(call.broadcast(x.dims, wanted));
    const Number total = call.lengths.product(result.dims);
    if (x.known && x.known->size() == 1 && all_fixed(result.dims) && few(total))
        return {call.known(result.dims, Numbers(size_t(total.low), x.known->front()), x.dtype)};
    return {result};
}

Tensors tile(Call& call) {
    const Dims& x = call.dims(0);
    const Numbers& repeats = call.values(1, "repeats");
    if (repeats.size() != x.size())
        call.fault(std::to_string(repeats.size()) + " repeats", std::to_string(x.size()));
    Dims dims;
    for (size_t i = 0; i < x.size(); ++i)
        dims.push_back(call.extent(call.lengths.multiply(x[i], repeats[i]), "an extent"));
    return {call.result(dims)};
}

Tensors pad(Call& call) {
    Dims dims = call.dims(0);
    const Numbers& amounts = call.values(1, "an amount of padding");
    std::vector<int64_t> axes;
    if (call.has(3)) axes = call.fixed_values(3, "axes");
    else
        for (size_t i = 0; i < dims.size(); ++i) axes.push_back(int64_t(i));
    if (amounts.size() != 2 * axes.size())
        call.fault(std::to_string(amounts.size()) + " amounts", std::to_string(2 * axes.size()));
    for (size_t i = 0; i < axes.size(); ++i) {
        Number& extent = dims[call.axis(axes[i], dims.size())];
        const Number added = call.lengths.add(amounts[i], amounts[i + axes.size()]);
        extent = call.extent(call.lengths.add(extent, added), "an extent");
    }
    return {call.result(dims)};
}

Tensors gather(Call& call) {
    const Tensor &x = call.input(0), &indices = call.input(1);
    const size_t axis = call.axis(call.integer("axis", 0), x.dims.size());
    const Tensor result = call.result(inserted(x.dims, axis, indices.dims, axis + 1));
    if (x.dims.size() != 1 || !x.known || !indices.known) return {result};
    Numbers chosen;
    const int64_t size = int64_t(x.known->size());
    for (const Number& index : *indices.known) {
        const bool inside = fixed(index) && index.low >= -size && index.low < size;
        chosen.push_back(inside ? (*x.known)[size_t(index.low < 0 ? index.low + size : index.low)] : kUnknown);
    }
    return {call.known(result.dims, chosen, x.dtype)};
}

Tensors gather_elements(Call& call) { return {shaped(call.dims(1))}; }

Tensors gather_nd(Call& call) {
    const Dims &x = call.dims(0), &indices = call.dims(1, 1);
    const int64_t batch = call.integer("batch_dims", 0);
    const Number depth = indices.back();
    if (!fixed(depth) || batch < 0 || batch >= int64_t(indices.size()) || depth.low < 1 ||
        depth.low > int64_t(x.size()) - batch)
        call.fault("indices that do not fit", "no more indices than axes");
    return {call.result(inserted(indices, indices.size() - 1, {x.begin() + std::ptrdiff_t(batch + depth.low), x.end()},
                                 indices.size()))};
}

Tensors one_hot(Call& call) {
    const Dims& x = call.dims(0);
    const Numbers& known = call.values(1, "a depth");
    const Number depth = known.empty() ? kZero : call.extent(known.front(), "a depth");
    const size_t axis = call.axis(call.integer("axis", -1), x.size() + 1);
    return {call.result(inserted(x, axis, {depth}, axis))};
}

Tensors top_k(Call& call) {
    const Dims& x = call.dims(0, 1);
    const size_t axis = call.axis(call.integer("axis", -1), x.size());
    const Tensor& k = call.input(1);
    const bool known = k.known && !k.known->empty() && k.known->front() != kUnknown;
    const Number most = known ? limited(call, call.extent(k.known->front(), "k"), x[axis]) : x[axis];
    return Tensors(2, shaped(replaced(x, axis, most)));
}

Tensors non_zero(Call& call) {
    const Dims& x = call.dims(0);
    return {shaped({exactly(int64_t(x.size())), {0, 0, call.lengths.high(call.lengths.product(x))}})};
}

Tensors compress(Call& call) {
    const Dims& x = call.dims(0);
    if (!call.attribute("axis")) return {shaped({{0, 0, call.lengths.high(call.lengths.product(x))}})};
    const size_t axis = call.axis(call.integer("axis"), x.size());
    return {shaped(replaced(x, axis, {0, 0, call.lengths.high(x[axis])}))};
}

Tensors resize(Call& call) {
    const Dims& x = call.dims(0);
    if (call.attribute("axes") || call.text("keep_aspect_ratio_policy", "stretch") != "stretch")
        call.fault("axes or an aspect ratio to keep", "sizes or factors for every axis");
    Dims dims;
    if (call.has(3)) {
        dims = extents(call, 3, "sizes", "an extent");
    } else {
        const Numbers& factors = call.values(2, "whole factors");
        for (size_t i = 0; i < std::min(x.size(), factors.size()); ++i)
            dims.push_back(call.extent(call.lengths.multiply(x[i], factors[i]), "an extent"));
    }
    if (dims.size() != x.size()) call.fault(std::to_string(dims.size()) + " sizes", std::to_string(x.size()));
    return {call.result(dims)};
}

// EmoFace's own operators where their kernels run in place of the functions in the file: graphs/kernels.py.

Tensors stream_attention(Call& call) { return {shaped(call.dims(0)), shaped(call.dims(2)), shaped(call.dims(3))}; }

Tensors delay(Call& call) {
    const Dims &x = call.dims(0, 3), &waiting = call.dims(2, 3);
    const Number count = call.extent(exactly(call.integer("count")), "count");
    return {shaped(x), shaped(x), shaped(inserted({x[0], count}, 2, {waiting.begin() + 2, waiting.end()}, 2))};
}

Tensors grouped_convolution(Call& call) {
    const Dims &x = call.dims(0, 3), &weight = call.dims(1, 3);
    const Number rows = call.lengths.add(call.lengths.subtract(x[1], weight[2]), kOne);
    return {shaped(replaced(x, 1, call.extent(rows, "rows")))};
}

Tensors unfold(Call& call) {
    const Dims& x = call.dims(0, 3);
    const Lengths& lengths = call.lengths;
    const Number kernel = exactly(call.integer("kernel"));
    const Number room = call.extent(lengths.subtract(x[1], kernel), "rows");
    const Number rows = lengths.divide(room, exactly(call.integer("stride")));
    const Number width = call.extent(lengths.multiply(kernel, x[2]), "a width");
    return {shaped({x[0], call.extent(lengths.add(rows, kOne), "rows"), width})};
}

Tensors vertex_layer(Call& call) {
    const Dims &x = call.dims(0, 3), &constants = call.dims(1, 3);
    return {shaped({x[0], x[1], constants[1], x[2]})};
}

Tensors motion_head(Call& call) {
    Dims offsets = call.dims(2, 3);
    offsets.push_back(exactly(3));
    return {shaped(offsets), shaped(call.dims(0))};
}

Tensors spiral_convolution(Call& call) {
    const Dims &x = call.dims(0, 4), &weight = call.dims(3, 1);
    return {shaped({x[0], x[1], x[2], weight[0]}), shaped(call.dims(1))};
}

}  // namespace emoface::runtime::graphs
