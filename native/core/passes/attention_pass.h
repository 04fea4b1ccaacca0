// A pass over a frozen graph: attention by kernels of our own.
#pragma once

#include <memory>

namespace torch::jit {
struct Graph;
}

namespace oxboard {

/**
 * Replaces scaled_dot_product_attention without mask, dropout and causality by oxboard::attention
 * (see kernels/attention.h), whose products run at the speed of large ones. Heads of a width that
 * the kernels do not know go to libtorch's own when they come.
 *
 * @return how many were replaced.
 */
int replaceAttention(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace oxboard
