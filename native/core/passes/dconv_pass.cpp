#include "dconv_pass.h"

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "../kernels/dconv.h"
#include "graph_pattern.h"

namespace oxboard {
namespace {

at::Tensor dconvLayer(const at::Tensor& x, const at::Tensor& weight1, const at::Tensor& bias1,
                      const at::Tensor& normWeight1, const at::Tensor& normBias1, double epsilon1,
                      const at::Tensor& weight2, const at::Tensor& bias2,
                      const at::Tensor& normWeight2, const at::Tensor& normBias2, double epsilon2,
                      const at::Tensor& scale, int64_t dilation) {
  // What aten's convolution would refuse must not reach pointers.
  TORCH_CHECK(x.dim() == 3 && x.size(1) == weight1.size(1) && x.scalar_type() == at::kFloat,
              "a DConv layer expects floats of shape (batch, ", weight1.size(1), ", frames)");
  // Frames have to lie side by side; the layout around them stays, so that a branch over frequency
  // rows works where the tensor lies.
  const at::Tensor input =
      x.stride(2) == 1 && x.is_non_overlapping_and_dense() ? x : x.contiguous();
  at::Tensor output = at::empty_strided(input.sizes(), input.strides(), input.options());
  kernels::DConvLayer layer{};
  layer.batch = input.size(0);
  layer.channels = input.size(1);
  layer.frames = input.size(2);
  layer.hidden = weight1.size(0);
  layer.dilation = dilation;
  layer.batchStride = input.stride(0);
  layer.channelStride = input.stride(1);
  layer.input = input.const_data_ptr<float>();
  layer.weight1 = weight1.const_data_ptr<float>();
  layer.bias1 = bias1.const_data_ptr<float>();
  layer.normWeight1 = normWeight1.const_data_ptr<float>();
  layer.normBias1 = normBias1.const_data_ptr<float>();
  layer.epsilon1 = epsilon1;
  layer.weight2 = weight2.const_data_ptr<float>();
  layer.bias2 = bias2.const_data_ptr<float>();
  layer.normWeight2 = normWeight2.const_data_ptr<float>();
  layer.normBias2 = normBias2.const_data_ptr<float>();
  layer.epsilon2 = epsilon2;
  layer.scale = scale.const_data_ptr<float>();
  layer.output = output.mutable_data_ptr<float>();
  kernels::dconvLayer(layer);
  return output;
}

/** Weight and bias of a plain one-dimensional convolution of stride 1; nothing for any other. */
struct Convolution {
  at::Tensor weight;
  at::Tensor bias;
  int64_t padding;
  int64_t dilation;
};

std::optional<Convolution> convolution(const Node* node) {
  const auto weight = constantTensor(node->input(1));
  const auto bias = constantTensor(node->input(2));
  const auto padding = torch::jit::toIValue(node->input(4));
  const auto dilation = torch::jit::toIValue(node->input(5));
  if (!weight || weight->dim() != 3 || !bias || !padding || !padding->isIntList() || !dilation ||
      !dilation->isIntList()) {
    return std::nullopt;
  }
  const bool plain = isConstant(node->input(3), std::vector<int64_t>{1}) &&
                     isConstant(node->input(6), false) &&  // not transposed
                     isConstant(node->input(8), int64_t{1});
  if (!plain || padding->toIntVector().size() != 1 || dilation->toIntVector().size() != 1) {
    return std::nullopt;
  }
  return Convolution{*weight, *bias, padding->toIntVector()[0], dilation->toIntVector()[0]};
}

/** Weight, bias and epsilon of a group norm with one group. */
struct Norm {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon;
};

std::optional<Norm> norm(const Node* node) {
  const auto weight = constantTensor(node->input(2));
  const auto bias = constantTensor(node->input(3));
  const auto epsilon = torch::jit::toIValue(node->input(4));
  if (!isConstant(node->input(1), int64_t{1}) || !weight || !bias || !epsilon) return std::nullopt;
  return Norm{*weight, *bias, epsilon->toDouble()};
}

struct Match {
  Value* input;
  Convolution first;
  Norm firstNorm;
  Convolution second;
  Norm secondNorm;
  at::Tensor scale;
};

/** The layer that ends in `add`, if there is one. */
std::optional<Match> matchLayer(Node* add) {
  // Integers are added by an operator of the same name, without the factor of the second one.
  if (add->inputs().size() != 3 || !isConstant(add->input(2), int64_t{1})) return std::nullopt;
  Value* input = add->input(0);
  Node* mul = onlyUse(add->input(1), "aten::mul");
  if (!mul) return std::nullopt;
  const auto scale = constantTensor(mul->input(0));
  Node* glu = onlyUse(mul->input(1), "aten::glu");
  if (!scale || !glu || !isConstant(glu->input(1), int64_t{1})) return std::nullopt;
  Node* norm2 = onlyUse(glu->input(0), "aten::group_norm");
  Node* conv2 = norm2 ? onlyUse(norm2->input(0), "aten::_convolution") : nullptr;
  Node* gelu = conv2 ? onlyUse(conv2->input(0), "aten::gelu") : nullptr;
  Node* norm1 = gelu ? onlyUse(gelu->input(0), "aten::group_norm") : nullptr;
  Node* conv1 = norm1 ? onlyUse(norm1->input(0), "aten::_convolution") : nullptr;
  if (!conv1 || conv1->input(0) != input) return std::nullopt;
  if (!isConstant(gelu->input(1), std::string("none"))) return std::nullopt;

  const auto first = convolution(conv1);
  const auto second = convolution(conv2);
  const auto firstNorm = norm(norm1);
  const auto secondNorm = norm(norm2);
  if (!first || !second || !firstNorm || !secondNorm) return std::nullopt;

  const int64_t channels = first->weight.size(1);
  const int64_t hidden = first->weight.size(0);
  const bool fits = first->weight.size(2) == 3 && first->padding == first->dilation &&
                    second->weight.sizes() == at::IntArrayRef({2 * channels, hidden, 1}) &&
                    second->padding == 0 && scale->sizes() == at::IntArrayRef({channels, 1}) &&
                    first->bias.numel() == hidden && second->bias.numel() == 2 * channels &&
                    firstNorm->weight.numel() == hidden && firstNorm->bias.numel() == hidden &&
                    secondNorm->weight.numel() == 2 * channels &&
                    secondNorm->bias.numel() == 2 * channels;
  if (!fits) return std::nullopt;
  return Match{input, *first, *firstNorm, *second, *secondNorm, scale->flatten()};
}

void replace(Node* add, const Match& match) {
  replaceNode(add, "oxboard::dconv_layer",
              {match.input, match.first.weight, match.first.bias, match.firstNorm.weight,
               match.firstNorm.bias, match.firstNorm.epsilon, match.second.weight,
               match.second.bias, match.secondNorm.weight, match.secondNorm.bias,
               match.secondNorm.epsilon, match.scale, match.first.dilation});
}

void registerOperator() {
  registerOnce("dconv_layer",
               "(Tensor x, Tensor weight1, Tensor bias1, Tensor norm_weight1, Tensor norm_bias1, "
               "float epsilon1, Tensor weight2, Tensor bias2, Tensor norm_weight2, "
               "Tensor norm_bias2, float epsilon2, Tensor scale, int dilation) -> Tensor",
               torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(dconvLayer)));
}

}  // namespace

int fuseDConv(const std::shared_ptr<torch::jit::Graph>& graph) {
  int replaced = 0;
  for (Node* node : graph->nodes()) {
    if (!isKind(node, "aten::add")) continue;
    // One after the other: the input of a layer is the output of the one before it, replaced.
    if (const auto match = matchLayer(node)) {
      if (++replaced == 1) registerOperator();
      replace(node, *match);
    }
  }
  return replaced;
}

}  // namespace oxboard
