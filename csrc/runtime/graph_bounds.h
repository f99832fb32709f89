// Runs a graph on bounds instead of tensors: sdk/emoface/graphs/bounds.py in C++.
#pragma once

#include <map>
#include <string>

#include "graph_call.h"

namespace emoface::runtime::graphs {

constexpr int64_t kMostGraphNodes = 20'000, kMostElements = int64_t(1) << 28, kMostLive = int64_t(1) << 30;
constexpr int64_t kMostWork = int64_t(1) << 44, kMostNumbers = 1 << 18;

// Refuses operators that are not allowed and graphs of too many nodes, functions written out; the number of nodes.
int64_t check_operators(const Model& model);

class Bounds {
public:
    Bounds(const Model& model, int64_t least, int64_t most) : model_(model), lengths_(least, most) {}
    const Lengths& lengths() const { return lengths_; }
    // Bounds of the graph's outputs, in their order, for bounds of its inputs.
    Tensors outputs(std::map<std::string, Tensor> inputs);

private:
    struct Done {
        Tensors outputs;
        int64_t peak, work;
    };
    using Scope = std::map<std::string, Tensor>;
    int64_t run(const std::vector<Node>& nodes, Scope* scope, const Attributes* given,
                const std::vector<std::string>& results, int64_t live);
    Tensors call(const Node& node, const std::vector<const Tensor*>& inputs, const Attributes& attributes, int64_t live,
                 int64_t* inside);
    Done function(const Function& function, const std::vector<const Tensor*>& inputs, const Attributes& attributes);
    int64_t elements(const Tensor& tensor, const std::string& label);
    void add(int64_t work, const std::string& label);
    const Model& model_;
    Lengths lengths_;
    int64_t work_ = 0, numbers_ = 0;
    std::map<std::string, Done> done_;
};

}  // namespace emoface::runtime::graphs
