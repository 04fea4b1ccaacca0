// What ties a graph to one device.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace c10 {
struct Device;
}
namespace torch::jit {
struct Graph;
}

namespace oxboard {

/**
 * Looks through a graph, functions that it calls included, for a device that is written into it and
 * is not `device`: what is made there could not be computed with the rest. "cuda" without a number
 * is whichever is in use.
 *
 * @return words for the first such constant, such as "the device constant cuda:0 (in aten::zeros)".
 */
std::optional<std::string> foreignDevice(const std::shared_ptr<torch::jit::Graph>& graph,
                                         const c10::Device& device);

}  // namespace oxboard
