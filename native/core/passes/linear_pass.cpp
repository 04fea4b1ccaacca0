#include "linear_pass.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <string_view>

#include "graph_pattern.h"

namespace oxboard {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Packing = at::Tensor(const at::Tensor&, std::optional<int64_t>);
using Pointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                             std::string_view, Scalars, std::optional<std::string_view>);
using Binary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const std::optional<at::Tensor>&, std::string_view);

template <typename Signature>
c10::TypedOperatorHandle<Signature> oneDnn(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

bool hasOneDnn() {
  return at::globalContext().hasMKLDNN() &&
         c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", "binary"});
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  static const auto handle = oneDnn<Pointwise>("mkldnn::_linear_pointwise");
  return handle.call(x, weight, bias, "none", Scalars(), std::nullopt);
}

at::Tensor linearGelu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  static const auto handle = oneDnn<Pointwise>("mkldnn::_linear_pointwise");
  return handle.call(x, weight, bias, "gelu", Scalars(), "none");
}

at::Tensor linearAdd(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const at::Tensor& residual) {
  static const auto handle = oneDnn<Binary>("mkldnn::_linear_pointwise", "binary");
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = bias.size(0);
  // oneDNN's sum does not stretch what is added.
  if (residual.sizes() != at::IntArrayRef(shape)) return residual + linear(x, weight, bias);
  return handle.call(x, residual.contiguous(), weight, bias, "add");
}

/** A constant in oneDNN's own layout, which only this kind of node may hold. */
Value* packed(Node* place, const at::Tensor& weight) {
  static const auto handle = oneDnn<Packing>("mkldnn::_reorder_linear_weight");
  torch::jit::Graph& graph = *place->owningGraph();
  const torch::jit::WithInsertPoint point(place);
  Node* node = graph.create(torch::jit::prim::ConstantMKLDNNTensor);
  node->t_(torch::jit::attr::value, handle.call(weight, std::nullopt));
  return graph.insertNode(node)->output();
}

/** residual + scale * linear, from the linear layer on. */
struct Scaled {
  Node* add;
  at::Tensor scale;
  Value* residual;
};

std::optional<Scaled> scaledSum(Node* linear, int64_t width) {
  Node* mul = onlyUser(linear->output(), "aten::mul");
  Node* add = mul ? onlyUser(mul->output(), "aten::add") : nullptr;
  if (!add || add->inputs().size() != 3 || !isConstant(add->input(2), int64_t{1})) {
    return std::nullopt;
  }
  const auto scale = constantTensor(mul->input(0));
  if (!scale || scale->sizes() != at::IntArrayRef({width}) || add->input(1) != mul->output()) {
    return std::nullopt;
  }
  return Scaled{add, *scale, add->input(0)};
}

void replace(Node* node, const at::Tensor& weight, const at::Tensor& bias) {
  Value* x = node->input(0);
  Node* gelu = onlyUser(node->output(), "aten::gelu");
  if (gelu && isConstant(gelu->input(1), std::string("none"))) {
    replaceNode(gelu, "oxboard::linear_gelu", {x, packed(gelu, weight), bias});
  } else if (const auto sum = scaledSum(node, weight.size(0))) {
    replaceNode(
        sum->add, "oxboard::linear_add",
        {x, packed(sum->add, weight * sum->scale.unsqueeze(1)), bias * sum->scale, sum->residual});
  } else {
    replaceNode(node, "oxboard::linear", {x, packed(node, weight), bias});
  }
}

void registerOperators() {
  const auto cpu = [](auto function) {
    return torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, function);
  };
  registerOnce("linear", "(Tensor x, Tensor weight, Tensor bias) -> Tensor", cpu(TORCH_FN(linear)));
  registerOnce("linear_gelu", "(Tensor x, Tensor weight, Tensor bias) -> Tensor",
               cpu(TORCH_FN(linearGelu)));
  registerOnce("linear_add", "(Tensor x, Tensor weight, Tensor bias, Tensor residual) -> Tensor",
               cpu(TORCH_FN(linearAdd)));
}

}  // namespace

int packLinear(const std::shared_ptr<torch::jit::Graph>& graph) {
  if (!hasOneDnn()) return 0;
  int replaced = 0;
  for (Node* node : graph->nodes()) {
    if (!isKind(node, "aten::linear")) continue;
    const auto weight = constantTensor(node->input(1));
    const auto bias = constantTensor(node->input(2));
    if (!weight || !bias || weight->dim() != 2) continue;
    if (++replaced == 1) registerOperators();
    replace(node, *weight, *bias);
  }
  return replaced;
}

}  // namespace oxboard
