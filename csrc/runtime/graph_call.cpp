#include "graph_call.h"

#include <algorithm>

namespace emoface::runtime::graphs {

Tensor constant_tensor(const Constant& constant) {
    Tensor tensor;
    for (const int64_t extent : constant.dims) tensor.dims.push_back(exactly(extent));
    tensor.known = constant.values;
    if (tensor.known) tensor.dtype = constant.dtype;
    return tensor;
}

void Call::fault(const std::string& got, const std::string& expected) const {
    throw GraphError{node.label() + " (" + node.op + ")", got, expected};
}

const Tensor& Call::input(size_t index) const {
    if (!has(index)) fault("no input " + std::to_string(index), "every input that the operator needs");
    return *inputs[index];
}

const Dims& Call::dims(size_t index, size_t least) const {
    const Dims& found = input(index).dims;
    if (found.size() < least)
        fault("input " + std::to_string(index) + " of " + std::to_string(found.size()) + " axes",
              "at least " + std::to_string(least));
    return found;
}

const Attribute* Call::attribute(const char* name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? nullptr : &found->second;
}

int64_t Call::integer(const char* name) const {
    const Attribute* const found = attribute(name);
    if (found == nullptr || found->type != AttributeType::integer)
        fault(std::string("attribute ") + name, "an integer");
    return clamped(found->integer);
}

int64_t Call::integer(const char* name, int64_t otherwise) const {
    return attribute(name) ? integer(name) : otherwise;
}

std::optional<std::vector<int64_t>> Call::integers(const char* name, int64_t length) const {
    const Attribute* const found = attribute(name);
    if (found == nullptr) return std::nullopt;
    if (found->type != AttributeType::integers) fault(std::string("attribute ") + name, "integers");
    if (length >= 0 && int64_t(found->integers.size()) != length)
        fault(std::string("attribute ") + name + " of " + std::to_string(found->integers.size()) + " numbers",
              std::to_string(length));
    std::vector<int64_t> values;
    for (const int64_t value : found->integers) values.push_back(clamped(value));
    return values;
}

std::string Call::text(const char* name, const char* otherwise) const {
    const Attribute* const found = attribute(name);
    return found && found->type == AttributeType::text ? found->text : found ? "?" : otherwise;
}

size_t Call::axis(int64_t value, size_t rank) const {
    if (value < -int64_t(rank) || value >= int64_t(rank))
        fault("axis " + std::to_string(value), "one of " + std::to_string(rank) + " axes");
    return size_t(value < 0 ? value + int64_t(rank) : value);
}

const Numbers& Call::values(size_t index, const char* what) const {
    const Tensor& tensor = input(index);
    if (!tensor.known) fault(std::string(what) + " that the data decide", "sizes that follow from shapes and constants");
    return *tensor.known;
}

std::vector<int64_t> Call::fixed_values(size_t index, const char* what) const {
    std::vector<int64_t> found;
    for (const Number& value : values(index, what)) {
        if (!fixed(value)) fault(std::string(what) + " that the data or n decide", "constants");
        found.push_back(value.low);
    }
    return found;
}

Number Call::extent(const Number& number, const char* what) const {
    const int64_t low = lengths.low(number), high = lengths.high(number);
    if (high >= kLimit || low <= -kLimit)
        fault(std::string(what) + " that the data decide", "sizes that follow from shapes and constants");
    return low >= 0 ? number : Number{0, 0, std::max<int64_t>(0, high)};
}

Dims Call::broadcast(const Dims& x, const Dims& y) const {
    if (x.size() < y.size()) return broadcast(y, x);
    Dims dims = x;
    const size_t pad = x.size() - y.size();
    for (size_t i = 0; i < y.size(); ++i) dims[pad + i] = together(x[pad + i], y[i]);
    return dims;
}

Number Call::together(const Number& a, const Number& b) const {
    if (a == b || b == kOne) return a;
    if (a == kOne) return b;
    if (lengths.low(a) > 1 && lengths.low(b) > 1) return same(a, b);
    if (lengths.low(b) > 1) return b;
    if (lengths.low(a) > 1) return a;
    return {0, std::min(lengths.low(a), lengths.low(b)), std::max(lengths.high(a), lengths.high(b))};
}

Number Call::same(const Number& a, const Number& b) const {
    if (a == b) return a;
    const Number difference = lengths.subtract(a, b);
    if (lengths.low(difference) > 0 || lengths.high(difference) < 0)
        fault("extents " + lengths.text(a) + " and " + lengths.text(b), "equal extents");
    return lengths.high(a) - lengths.low(a) <= lengths.high(b) - lengths.low(b) ? a : b;
}

Tensor Call::known(Dims dims, Numbers values, const std::string& dtype) const {
    std::shared_ptr<const Numbers> kept = known_values(std::move(values), dtype, lengths);
    return {std::move(dims), kept, kept ? dtype : ""};
}

Tensor Call::result(Dims dims) const {
    if (dims.size() > kMostRank)
        fault(std::to_string(dims.size()) + " axes", "at most " + std::to_string(kMostRank));
    return {std::move(dims), nullptr, ""};
}

}  // namespace emoface::runtime::graphs
