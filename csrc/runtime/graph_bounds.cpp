#include "graph_bounds.h"

#include <algorithm>
#include <set>

#include "graph_rules.h"

namespace emoface::runtime::graphs {
namespace {

constexpr size_t kDeepest = 16;

using Rule = Tensors (*)(Call&);

const std::map<std::string, Rule>& rules() {
    static const std::map<std::string, Rule> table = {
#define OPERATOR(domain, name, rule) {domain "." name, rule},
#include "graph_operators.inc"
#undef OPERATOR
    };
    return table;
}

Rule rule_of(const std::string& domain, const std::string& op) {
    const auto found = rules().find(domain + "." + op);
    return found == rules().end() ? nullptr : found->second;
}

// Nodes with functions written out, counted without writing them out.
class Counter {
public:
    explicit Counter(const Model& model) : model_(model) {}

    int64_t count(const std::vector<Node>& nodes, std::vector<std::string>* above) {
        int64_t total = 0;
        for (const Node& node : nodes) {
            total += count_node(node, above);
            if (total > kMostGraphNodes)
                throw GraphError{node.label(), "more than " + std::to_string(kMostGraphNodes) + " nodes",
                                 "at most " + std::to_string(kMostGraphNodes) + " in all"};
        }
        return total;
    }

private:
    int64_t count_node(const Node& node, std::vector<std::string>* above) {
        const auto function = node.domain == kOwn ? model_.functions.find(node.op) : model_.functions.end();
        if (function == model_.functions.end()) {
            if (node.domain == kOwn || rule_of(node.domain, node.op) == nullptr)
                throw GraphError{node.label(), "operator " + (node.domain.empty() ? "ai.onnx" : node.domain) + "." + node.op,
                                 node.domain == kOwn ? "a function in the file" : "an operator of docs/security.md"};
            return 1;
        }
        const auto known = counts_.find(node.op);
        if (known != counts_.end()) return known->second;
        const bool recursive = std::count(above->begin(), above->end(), node.op) != 0;
        if (recursive || above->size() >= kDeepest)
            throw GraphError{"function " + quoted(node.op),
                             recursive ? "a function that calls itself"
                                       : "calls nested more than " + std::to_string(kDeepest) + " deep",
                             "functions without recursion"};
        above->push_back(node.op);
        const int64_t total = count(function->second->nodes, above);
        above->pop_back();
        return counts_[node.op] = total;
    }

    const Model& model_;
    std::map<std::string, int64_t> counts_;
};

// Every node after those that it reads: converters leave them in any order, and ONNX Runtime sorts them too.
std::vector<const Node*> in_order(const std::vector<Node>& nodes, const std::map<std::string, Tensor>& scope) {
    std::vector<const Node*> order;
    std::set<std::string> known;
    bool sorted = true;
    for (const Node& node : nodes) {
        for (const std::string& name : node.inputs)
            sorted = sorted && (name.empty() || known.count(name) || scope.count(name));
        known.insert(node.outputs.begin(), node.outputs.end());
        order.push_back(&node);
    }
    if (sorted) return order;
    order.clear();
    std::map<std::string, size_t> makers;
    for (size_t i = 0; i < nodes.size(); ++i)
        for (const std::string& name : nodes[i].outputs)
            if (!name.empty()) makers[name] = i;
    std::vector<bool> done(nodes.size(), false), entered(nodes.size(), false);
    for (size_t root = 0; root < nodes.size(); ++root) {
        std::vector<size_t> stack{root};
        while (!stack.empty()) {
            const size_t index = stack.back();
            std::vector<size_t> waiting;
            for (const std::string& name : nodes[index].inputs) {
                const auto maker = makers.find(name);
                if (maker != makers.end() && !done[maker->second]) waiting.push_back(maker->second);
            }
            if (done[index] || waiting.empty()) {
                stack.pop_back();
                if (!done[index]) order.push_back(&nodes[index]);
                done[index] = true;
            } else if (entered[index]) {
                throw GraphError{nodes[index].label(), "inputs that follow from its own outputs",
                                 "a graph without circles"};
            } else {
                entered[index] = true;
                stack.insert(stack.end(), waiting.rbegin(), waiting.rend());
            }
        }
    }
    return order;
}

// The node's attributes, with those of the function's call put in.
Attributes resolved(const Node& node, const Attributes* given) {
    Attributes attributes;
    for (const auto& [key, attribute] : node.attributes) {
        if (attribute.reference.empty()) {
            attributes[key] = attribute;
            continue;
        }
        if (given == nullptr) continue;
        const auto found = given->find(attribute.reference);
        if (found != given->end()) attributes[key] = found->second;
    }
    return attributes;
}

void append(std::string* key, int64_t value) { key->append(reinterpret_cast<const char*>(&value), sizeof value); }

void append(std::string* key, const Numbers& values) {
    append(key, int64_t(values.size()));
    for (const Number& value : values) {
        append(key, value.a);
        append(key, value.low);
        append(key, value.high);
    }
}

void append(std::string* key, const std::string& text) {
    append(key, int64_t(text.size()));
    key->append(text);
}

// All that the outputs of a function's call depend on.
std::string key_of(const Node& node, const std::vector<const Tensor*>& inputs, const Attributes& attributes) {
    std::string key;
    append(&key, node.op);
    append(&key, int64_t(node.outputs.size()));
    append(&key, int64_t(inputs.size()));
    for (const Tensor* tensor : inputs) {
        append(&key, tensor ? int64_t(tensor->known ? 2 : 1) : int64_t(0));
        if (!tensor) continue;
        append(&key, tensor->dims);
        append(&key, tensor->dtype);
        if (tensor->known) append(&key, *tensor->known);
    }
    for (const auto& [name, attribute] : attributes) {
        append(&key, name);
        append(&key, int64_t(attribute.type));
        append(&key, attribute.integer);
        append(&key, attribute.text);
        append(&key, int64_t(attribute.integers.size()));
        for (const int64_t value : attribute.integers) append(&key, value);
        append(&key, int64_t(attribute.reals.size()));
        for (const double value : attribute.reals) key.append(reinterpret_cast<const char*>(&value), sizeof value);
        append(&key, attribute.tensor.dtype);
        append(&key, int64_t(attribute.tensor.dims.size()));
        for (const int64_t value : attribute.tensor.dims) append(&key, value);
        if (attribute.tensor.values) append(&key, *attribute.tensor.values);
    }
    return key;
}

// The function in the file or the kernel may run: both fit, and the larger counts.
Tensors larger(const Call& call, const Tensors& body, const Tensors& kernel) {
    Tensors results;
    for (size_t index = 0; index < body.size(); ++index) {
        const Tensor &tensor = body[index], &other = index < kernel.size() ? kernel[index] : tensor;
        if (other.dims.size() != tensor.dims.size())
            call.fault("output " + std::to_string(index) + " of " + std::to_string(tensor.dims.size()) + " axes",
                       std::to_string(other.dims.size()) + ", as the operator says");
        Dims dims;
        for (size_t i = 0; i < tensor.dims.size(); ++i) dims.push_back(call.lengths.either(tensor.dims[i], other.dims[i]));
        results.push_back(dims == tensor.dims ? tensor : Tensor{dims, nullptr, ""});
    }
    return results;
}

}  // namespace

int64_t check_operators(const Model& model) {
    Counter counter(model);
    std::vector<std::string> above;
    // A function that nothing calls is read by ONNX Runtime all the same.
    for (const std::string& name : model.function_order) {
        Node node;
        node.domain = kOwn;
        node.op = name;
        counter.count({node}, &above);
    }
    return counter.count(model.nodes, &above);
}

Tensors Bounds::outputs(Scope inputs) {
    for (const auto& [name, constant] : model_.initialisers) {
        if (inputs.count(name)) throw GraphError{"tensor " + quoted(name), "the name of an input too", "distinct names"};
        elements(inputs.emplace(name, constant_tensor(constant)).first->second, "tensor " + quoted(name));
    }
    for (const auto& [name, tensor] : inputs)
        if (model_.initialisers.count(name) == 0) elements(tensor, "input " + quoted(name));
    std::vector<std::string> names;
    for (const Value& value : model_.outputs) names.push_back(value.name);
    run(model_.nodes, &inputs, nullptr, names, 0);
    Tensors found;
    for (const std::string& name : names) {
        const auto tensor = inputs.find(name);
        if (tensor == inputs.end()) throw GraphError{"output " + quoted(name), "nothing that gives it", "a node's output"};
        found.push_back(tensor->second);
    }
    return found;
}

int64_t Bounds::run(const std::vector<Node>& nodes, Scope* scope, const Attributes* given,
                    const std::vector<std::string>& results, int64_t live) {
    const std::vector<const Node*> order = in_order(nodes, *scope);
    std::map<std::string, size_t> last;
    for (size_t i = 0; i < order.size(); ++i)
        for (const std::string& name : order[i]->inputs) last[name] = i;
    for (const std::string& name : results) last[name] = order.size();
    std::map<std::string, int64_t> sizes;
    int64_t peak = live;
    for (size_t index = 0; index < order.size(); ++index) {
        const Node& node = *order[index];
        std::vector<const Tensor*> inputs;
        for (const std::string& name : node.inputs) {
            const auto found = scope->find(name);
            if (!name.empty() && found == scope->end())
                throw GraphError{node.label(), "input " + quoted(name) + " that nothing gives",
                                 "an input or a node's output"};
            inputs.push_back(name.empty() ? nullptr : &found->second);
        }
        while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
        int64_t inside = live;
        const Tensors outputs = call(node, inputs, resolved(node, given), live, &inside);
        peak = std::max(peak, inside);
        bool named = false;
        for (size_t i = 0; i < node.outputs.size(); ++i) {
            const std::string& name = node.outputs[i];
            named = named || !name.empty();
            if (name.empty() || i >= outputs.size()) continue;
            if (!scope->emplace(name, outputs[i]).second)
                throw GraphError{node.label(), "output " + quoted(name) + " a second time", "a new name for every output"};
            sizes[name] = elements(outputs[i], node.label());
            live += sizes[name];
        }
        if (named && outputs.size() < node.outputs.size())
            throw GraphError{node.label(), std::to_string(node.outputs.size()) + " outputs",
                             std::to_string(outputs.size()) + " of " + node.op};
        peak = std::max(peak, live);
        if (peak > kMostLive)
            throw GraphError{node.label(), std::to_string(peak) + " elements at one time",
                             "at most " + std::to_string(kMostLive)};
        const auto let_go = [&](const std::string& name) {
            const auto size = sizes.find(name);
            const auto use = last.find(name);
            if (size == sizes.end() || (use != last.end() && use->second > index)) return;
            live -= size->second;
            sizes.erase(size);
        };
        for (const std::string& name : node.inputs) let_go(name);
        for (const std::string& name : node.outputs) let_go(name);
    }
    return peak;
}

Tensors Bounds::call(const Node& node, const std::vector<const Tensor*>& inputs, const Attributes& attributes,
                     int64_t live, int64_t* inside) {
    Call call(node, inputs, attributes, lengths_);
    const Rule rule = rule_of(node.domain, node.op);
    if (node.domain != kOwn) {
        Tensors outputs = rule(call);
        add(call.work, node.label());
        return outputs;
    }
    const std::string key = key_of(node, inputs, attributes);
    auto found = done_.find(key);
    if (found == done_.end()) found = done_.emplace(key, function(*model_.functions.at(node.op), inputs, attributes)).first;
    else add(found->second.work, node.label());
    *inside = live + found->second.peak;
    return rule == nullptr ? found->second.outputs : larger(call, found->second.outputs, rule(call));
}

Bounds::Done Bounds::function(const Function& function, const std::vector<const Tensor*>& inputs,
                              const Attributes& attributes) {
    const std::string label = "function " + quoted(function.name);
    if (inputs.size() > function.inputs.size())
        throw GraphError{label, std::to_string(inputs.size()) + " inputs", std::to_string(function.inputs.size())};
    Scope scope;
    for (size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i]) scope.emplace(function.inputs[i], *inputs[i]);
    Attributes given = attributes;
    given.insert(function.defaults.begin(), function.defaults.end());
    const int64_t before = work_;
    Done done;
    done.peak = run(function.nodes, &scope, &given, function.outputs, 0);
    done.work = work_ - before;
    for (const std::string& name : function.outputs) {
        const auto tensor = scope.find(name);
        if (tensor == scope.end())
            throw GraphError{label, "nothing for output " + quoted(name), "a node that gives it"};
        done.outputs.push_back(tensor->second);
    }
    return done;
}

int64_t Bounds::elements(const Tensor& tensor, const std::string& label) {
    int64_t count = 1;
    for (const Number& extent : tensor.dims)
        if (lengths_.high(extent) == 0) count = 0;
    for (const Number& extent : tensor.dims) count = saturated_product(count, lengths_.high(extent));
    if (count > kMostElements) {
        std::string shape;
        for (const Number& extent : tensor.dims) shape += (shape.empty() ? "" : " x ") + lengths_.text(extent);
        throw GraphError{label, "a tensor of " + shape,
                         "at most " + std::to_string(kMostElements) + " elements in a tensor"};
    }
    numbers_ += tensor.known ? int64_t(tensor.known->size()) : 0;
    if (numbers_ > kMostNumbers)
        throw GraphError{label, "more than " + std::to_string(kMostNumbers) + " numbers to follow",
                         "fewer constants and shapes"};
    add(count, label);
    return count;
}

void Bounds::add(int64_t work, const std::string& label) {
    work_ += work;
    if (work_ > kMostWork)
        throw GraphError{label, std::to_string(work_) + " operations a call", "at most " + std::to_string(kMostWork)};
}

}  // namespace emoface::runtime::graphs
