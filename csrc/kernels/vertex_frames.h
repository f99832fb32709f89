// What surrounds the second SpiralConv3D of Mesh Attention (EmoFace paper, section 3.2), frame by frame.
//
// First layer. Its input is audio[t] + position[v], so it splits exactly into a part per frame and a part per vertex:
// no spiral is read at run time. Blend. The softmax over two logits is the sigmoid of their difference.
//
// Arrays are dense, row-major float32; pointers must be multiples of 4 bytes. No overlap of inputs and outputs.
#pragma once

#include <cstdint>

#include "spiral_conv3d.h"

namespace emoface {

enum class Activation : int { none = 0, elu };

// y[t, v, c] = activation(audio[t, c] + constants[available[t], v, c])
//   audio      [n, C]         the frame part, already convolved over time
//   constants  [delta, V, C]  the vertex part for each number of past frames that exist, bias included
//   available  [n]            int64, 0 ... delta - 1
//   y          [n, V, C]
// Exponentials are good to 2 units in the last place.
Status vertex_layer(int64_t frames, int64_t vertices, int64_t channels, int64_t delta, const float* audio,
                    const float* constants, const int64_t* available, Activation activation, float* y,
                    Isa isa) noexcept;

// weight[i] = sigmoid(difference[i]); offsets[i, :] = content[i, :] + weight[i] * (emotion[i, :] - content[i, :])
//   difference  [N]     logit of the emotion branch less that of the content branch
//   emotion, content, offsets  [N, 3]
//   weight      [N]     may be null
Status blend_branches(int64_t count, const float* difference, const float* emotion, const float* content,
                      float* offsets, float* weight, Isa isa) noexcept;

}  // namespace emoface
