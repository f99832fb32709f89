// The rules that graph_operators.inc names.
#pragma once

#include "graph_call.h"

namespace emoface::runtime::graphs {

#define OPERATOR_RULE(name) Tensors name(Call& call);
OPERATOR_RULE(same)
OPERATOR_RULE(normalised)
OPERATOR_RULE(broadcast)
OPERATOR_RULE(matmul)
OPERATOR_RULE(quantised_matmul)
OPERATOR_RULE(gemm)
OPERATOR_RULE(einsum)
OPERATOR_RULE(convolution)
OPERATOR_RULE(quantised_convolution)
OPERATOR_RULE(transposed_convolution)
OPERATOR_RULE(pool)
OPERATOR_RULE(global_pool)
OPERATOR_RULE(recurrent)
OPERATOR_RULE(reduction)
OPERATOR_RULE(arg_reduction)
OPERATOR_RULE(dynamic_quantisation)
OPERATOR_RULE(depth_to_space)
OPERATOR_RULE(constant)
OPERATOR_RULE(shape)
OPERATOR_RULE(size)
OPERATOR_RULE(constant_of_shape)
OPERATOR_RULE(range)
OPERATOR_RULE(reshape)
OPERATOR_RULE(flatten)
OPERATOR_RULE(transpose)
OPERATOR_RULE(concat)
OPERATOR_RULE(split)
OPERATOR_RULE(slice)
OPERATOR_RULE(squeeze)
OPERATOR_RULE(unsqueeze)
OPERATOR_RULE(expand)
OPERATOR_RULE(tile)
OPERATOR_RULE(pad)
OPERATOR_RULE(gather)
OPERATOR_RULE(gather_elements)
OPERATOR_RULE(gather_nd)
OPERATOR_RULE(one_hot)
OPERATOR_RULE(top_k)
OPERATOR_RULE(non_zero)
OPERATOR_RULE(compress)
OPERATOR_RULE(resize)
OPERATOR_RULE(stream_attention)
OPERATOR_RULE(delay)
OPERATOR_RULE(grouped_convolution)
OPERATOR_RULE(unfold)
OPERATOR_RULE(vertex_layer)
OPERATOR_RULE(motion_head)
OPERATOR_RULE(spiral_convolution)
#undef OPERATOR_RULE

}  // namespace emoface::runtime::graphs
