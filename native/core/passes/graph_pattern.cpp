#include "graph_pattern.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

#include <mutex>
#include <utility>

namespace oxboard {

Node* onlyUse(Value* value, const char* kind) {
  Node* node = value->node();
  return isKind(node, kind) && value->uses().size() == 1 ? node : nullptr;
}

Node* onlyUser(Value* value, const char* kind) {
  if (value->uses().size() != 1) return nullptr;
  Node* node = value->uses()[0].user;
  return isKind(node, kind) ? node : nullptr;
}

std::optional<at::Tensor> constantTensor(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isTensor()) return std::nullopt;
  const at::Tensor tensor = constant->toTensor();
  if (tensor.scalar_type() != at::kFloat || !tensor.device().is_cpu()) return std::nullopt;
  return tensor.contiguous();
}

std::optional<int64_t> constantInt(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isInt()) return std::nullopt;
  return constant->toInt();
}

std::optional<std::vector<int64_t>> constantInts(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isIntList()) return std::nullopt;
  return constant->toIntVector();
}

Value* insertNode(Node* place, const char* kind, const std::vector<Input>& inputs) {
  torch::jit::Graph& graph = *place->owningGraph();
  const torch::jit::WithInsertPoint point(place);
  std::vector<Value*> values;
  for (const Input& input : inputs) {
    if (Value* const* value = std::get_if<Value*>(&input)) {
      values.push_back(*value);
    } else {
      values.push_back(graph.insertConstant(std::get<c10::IValue>(input)));
    }
  }
  Node* node = graph.create(torch::jit::Symbol::fromQualString(kind), values, 1);
  graph.insertNode(node);
  node->output()->setType(c10::TensorType::get());
  return node->output();
}

void replaceNode(Node* last, const char* kind, const std::vector<Input>& inputs) {
  last->output()->replaceAllUsesWith(insertNode(last, kind, inputs));
}

void registerOnce(const std::string& name, const std::string& signature,
                  torch::CppFunction function) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  // Another copy of this package in the process may have done it, too.
  if (c10::Dispatcher::singleton().findSchema({"oxboard::" + name, ""})) return;
  static torch::Library library(torch::Library::FRAGMENT, "oxboard", c10::nullopt, __FILE__,
                                __LINE__);
  library.def((name + signature).c_str());
  library.impl(name.c_str(), std::move(function));
}

}  // namespace oxboard
