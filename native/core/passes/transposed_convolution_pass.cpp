#include "transposed_convolution_pass.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "../kernels/interleave.h"
#include "graph_pattern.h"

namespace oxboard {
namespace {

constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();

/** Frames `begin` to `end` (negative: from the end) of the interleaved dimension 2. */
at::Tensor interleave(const at::Tensor& x, int64_t stride, int64_t begin, int64_t end, bool gelu) {
  TORCH_CHECK(x.dim() >= 3 && x.scalar_type() == at::kFloat && x.size(1) % stride == 0,
              "interleaving expects floats of shape (batch, channels * ", stride, ", frames, ...)");
  const at::Tensor input = x.contiguous();
  const int64_t whole = input.size(2) * stride;
  if (end < 0) end += whole;
  end = std::min(end, whole);
  TORCH_CHECK(begin >= 0 && begin <= end, "nothing is left between ", begin, " and ", end);
  std::vector<int64_t> shape = input.sizes().vec();
  shape[1] /= stride;
  shape[2] = end - begin;
  at::Tensor output = at::empty(shape, input.options());
  if (output.numel() == 0) return output;
  const int64_t rows = shape[0] * shape[1];
  kernels::interleave({rows, stride, input.size(2), output.numel() / (rows * shape[2]), begin,
                       shape[2], input.const_data_ptr<float>(), output.mutable_data_ptr<float>(),
                       gelu});
  return output;
}

struct Match {
  Node* last;  // whose output is replaced
  Value* input;
  at::Tensor weight;
  at::Tensor bias;
  int64_t stride;
  Value* end;  // of the slice
  int64_t begin;
  bool gelu;
};

bool allAre(const std::vector<int64_t>& values, int64_t expected) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == expected; });
}

/** A slice that leaves everything. */
bool isWhole(const Node* slice) {
  return isConstant(slice->input(2), int64_t{0}) && isConstant(slice->input(3), kToTheEnd) &&
         isConstant(slice->input(4), int64_t{1});
}

std::optional<Match> matchConvolution(Node* node) {
  const auto weight = constantTensor(node->input(1));
  const auto bias = constantTensor(node->input(2));
  const auto strides = constantInts(node->input(3));
  const auto padding = constantInts(node->input(4));
  const auto dilation = constantInts(node->input(5));
  const auto outputPadding = constantInts(node->input(7));
  if (!weight || !bias || !strides || !padding || !dilation || !outputPadding) return std::nullopt;
  if (!isConstant(node->input(6), true) || !isConstant(node->input(8), int64_t{1})) {
    return std::nullopt;
  }
  const int64_t stride = (*strides)[0];
  // Along dimension 2; behind it, nothing but single taps.
  const bool fits = weight->dim() >= 3 && weight->dim() <= 4 && stride > 1 &&
                    weight->size(2) == 2 * stride &&
                    weight->numel() == weight->size(0) * weight->size(1) * 2 * stride &&
                    allAre({strides->begin() + 1, strides->end()}, 1) && allAre(*padding, 0) &&
                    allAre(*dilation, 1) && allAre(*outputPadding, 0);
  if (!fits) return std::nullopt;

  Node* slice = onlyUser(node->output(), "aten::slice");
  if (!slice || !isConstant(slice->input(1), int64_t{2}) ||
      slice->input(3)->type()->kind() != c10::TypeKind::IntType ||
      !isConstant(slice->input(4), int64_t{1})) {
    return std::nullopt;
  }
  const auto begin = constantInt(slice->input(2));
  if (!begin || *begin < 0) return std::nullopt;
  Match match{slice, node->input(0), *weight, *bias, stride, slice->input(3), *begin, false};
  while (Node* next = onlyUser(match.last->output(), "aten::slice")) {
    if (!isWhole(next)) break;
    match.last = next;
  }
  if (Node* gelu = onlyUser(match.last->output(), "aten::gelu")) {
    if (isConstant(gelu->input(1), std::string("none"))) {
      match.last = gelu;
      match.gelu = true;
    }
  }
  return match;
}

/** (in, out, 2s, ...) as (out * s, in, 2, ...): the taps of x[q - 1] and x[q]. */
at::Tensor plainWeight(const at::Tensor& weight, int64_t stride) {
  const int64_t in = weight.size(0);
  const int64_t out = weight.size(1);
  const at::Tensor taps = weight.reshape({in, out, 2, stride}).flip(2).permute({1, 3, 0, 2});
  std::vector<int64_t> shape{out * stride, in, 2};
  if (weight.dim() == 4) shape.push_back(1);
  return taps.reshape(shape).contiguous();
}

void replace(const Match& match) {
  const size_t dimensions = match.weight.dim() - 2;
  const std::vector<int64_t> ones(dimensions, 1);
  std::vector<int64_t> padding(dimensions, 0);
  const std::vector<int64_t> none = padding;
  padding[0] = 1;
  Value* convolved = insertNode(match.last, "aten::_convolution",
                                {match.input, plainWeight(match.weight, match.stride),
                                 match.bias.repeat_interleave(match.stride), ones, padding, ones,
                                 false, none, int64_t{1}, false, false, true, true});
  replaceNode(match.last, "oxboard::interleave",
              {convolved, match.stride, match.begin, match.end, match.gelu});
}

}  // namespace

int rewriteTransposedConvolutions(const std::shared_ptr<torch::jit::Graph>& graph) {
  int replaced = 0;
  for (Node* node : graph->nodes()) {
    if (!isKind(node, "aten::_convolution")) continue;
    if (const auto match = matchConvolution(node)) {
      if (++replaced == 1) {
        registerOnce("interleave",
                     "(Tensor x, int stride, int begin, int end, bool gelu) -> Tensor",
                     torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(interleave)));
      }
      replace(*match);
    }
  }
  return replaced;
}

}  // namespace oxboard
