// A pass over a frozen graph: the transposed convolutions of Demucs' decoders as plain ones.
#pragma once

#include <memory>

namespace torch::jit {
struct Graph;
}

namespace oxboard {

/**
 * Finds transposed convolutions along one dimension with kernel 2s and stride s, constant weights,
 * and no padding, each with the slice that cuts its ends and, if there is one, the GELU after it.
 * Output frame s q + r takes two inputs, x[q] and x[q - 1], so that
 *
 *     y[s q + r] = W[r] x[q] + W[r + s] x[q - 1]
 *
 * is a convolution of two taps with s times the channels, whose frames oxboard::interleave then
 * puts between each other, cuts and activates in one go. libtorch's own comes with its channels
 * last, and everything that follows pays for that.
 *
 * @return how many were replaced.
 */
int rewriteTransposedConvolutions(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace oxboard
