#include "device_constants.h"

#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace oxboard {
namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

bool fits(const c10::Device& constant, const c10::Device& device) {
  if (constant.type() != device.type()) return false;
  return device.is_cpu() || !constant.has_index() || constant.index() == device.index();
}

/** The device that a node stands for: a constant, or the name of one that is made a device. */
std::optional<c10::Device> deviceOf(const Node& node) {
  if (node.kind() == torch::jit::prim::Constant) {
    const auto value = torch::jit::toIValue(node.output());
    if (value && value->isDevice()) return value->toDevice();
  }
  if (node.kind() == Symbol::fromQualString("aten::device") && node.inputs().size() == 1) {
    const auto name = torch::jit::toIValue(node.input(0));
    if (name && name->isString()) return c10::Device(name->toStringRef());
  }
  if (node.kind() == Symbol::fromQualString("aten::cuda")) return c10::Device(c10::kCUDA);
  if (node.kind() == Symbol::fromQualString("aten::cpu")) return c10::Device(c10::kCPU);
  return std::nullopt;
}

std::string words(const Node& node, const c10::Device& device) {
  std::string user = node.kind().toQualString();
  if (node.kind() == torch::jit::prim::Constant && node.output()->hasUses()) {
    user = node.output()->uses().front().user->kind().toQualString();
  }
  return "the device constant " + device.str() + " (in " + user + ")";
}

std::optional<std::string> search(const Block& block, const c10::Device& device) {
  for (const Node* node : block.nodes()) {
    const auto constant = deviceOf(*node);
    if (constant && !fits(*constant, device)) return words(*node, *constant);
    for (const Block* inner : node->blocks()) {
      if (auto found = search(*inner, device)) return found;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> foreignDevice(const std::shared_ptr<torch::jit::Graph>& graph,
                                         const c10::Device& device) {
  const std::shared_ptr<torch::jit::Graph> inlined = graph->copy();
  torch::jit::Inline(*inlined);
  return search(*inlined->block(), device);
}

}  // namespace oxboard
