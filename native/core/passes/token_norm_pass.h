// A pass over a frozen graph: group norms of sequences, without turning them around.
#pragma once

#include <memory>

namespace torch::jit {
struct Graph;
}

namespace oxboard {

/**
 * Finds transpose(1, 2), group_norm with one group and constant weights, transpose(1, 2), which is
 * how demucs' transformer normalises (batch, frames, channels), and replaces them by
 * oxboard::token_norm. The result lies in memory as it is read afterwards; turned around twice, it
 * would lie channel by channel, and each sum and norm after it would pay for that.
 *
 * @return how many were replaced.
 */
int fuseTokenNorms(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace oxboard
