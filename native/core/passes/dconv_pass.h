// A pass over a frozen graph: replaces each layer of Demucs' DConv branch, eight operators, by one.
#pragma once

#include <memory>

namespace torch::jit {
struct Graph;
}

namespace oxboard {

/**
 * Finds in `graph` the chain
 *
 *     add(x, mul(scale, glu(group_norm(conv1x1(gelu(group_norm(conv3(x))))))))
 *
 * with constant weights, one group per norm and no other use of what lies in between, and replaces
 * it by oxboard::dconv_layer, which computes the same (see kernels/dconv.h). What does not match
 * stays as it is.
 *
 * @return how many layers were replaced.
 */
int fuseDConv(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace oxboard
