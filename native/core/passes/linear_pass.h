// A pass over a frozen graph: linear layers with weights that are packed once.
#pragma once

#include <memory>

namespace torch::jit {
struct Graph;
}

namespace oxboard {

/**
 * Replaces linear layers with constant weights by oneDNN's, whose weights are packed here and not
 * in every call, and which do in the same pass over the output
 *
 *     gelu(linear(x))                    the GELU after it,
 *     residual + scale * linear(x)       the LayerScale, folded into the weights, and the sum.
 *
 * Nothing is done where libtorch was built without oneDNN.
 *
 * @return how many were replaced.
 */
int packLinear(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace oxboard
