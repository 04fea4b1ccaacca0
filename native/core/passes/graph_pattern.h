// What the passes over a graph share: recognising operators with constant inputs, putting others in
// their place, and making ours known to libtorch.
#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/library.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace oxboard {

using torch::jit::Node;
using torch::jit::Value;

inline bool isKind(const Node* node, const char* kind) {
  return node->kind() == torch::jit::Symbol::fromQualString(kind);
}

/** The node that makes `value`, if it is of that kind and nobody else uses the value. */
Node* onlyUse(Value* value, const char* kind);

/** The one node that uses `value`, if there is no other and it is of that kind. */
Node* onlyUser(Value* value, const char* kind);

/** A constant tensor of floats on the CPU, contiguous. */
std::optional<at::Tensor> constantTensor(Value* value);

std::optional<int64_t> constantInt(Value* value);

/** A constant list of integers. */
std::optional<std::vector<int64_t>> constantInts(Value* value);

template <typename T>
bool isConstant(Value* value, const T& expected) {
  const auto constant = torch::jit::toIValue(value);
  return constant && *constant == c10::IValue(expected);
}

/** An input of a new node: a value of the graph, or a constant. */
using Input = std::variant<Value*, c10::IValue>;

/** A node of one output, inserted before `place`. */
Value* insertNode(Node* place, const char* kind, const std::vector<Input>& inputs);

/** Puts a node in the place of `last`, whose output it takes over. */
void replaceNode(Node* last, const char* kind, const std::vector<Input>& inputs);

/** Makes the operator oxboard::`name` known to libtorch, once in a process. */
void registerOnce(const std::string& name, const std::string& signature,
                  torch::CppFunction function);

}  // namespace oxboard
