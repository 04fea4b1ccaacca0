#include "attention_pass.h"

#include <ATen/ATen.h>

#include <cmath>

#include "../kernels/attention.h"
#include "graph_pattern.h"

namespace oxboard {
namespace {

bool fits(const at::Tensor& x) {
  return x.dim() == 4 && x.scalar_type() == at::kFloat && x.stride(3) == 1;
}

kernels::Heads heads(const at::Tensor& x, int64_t batch) {
  return {const_cast<float*>(x.const_data_ptr<float>()) + batch * x.stride(0), x.stride(1),
          x.stride(2)};
}

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  const bool known = fits(query) && fits(key) && fits(value) && query.size(2) > 0 &&
                     key.size(2) > 0 && value.size(3) == query.size(3) &&
                     kernels::attentionFits(query.size(3));
  if (!known) return at::scaled_dot_product_attention(query, key, value);
  TORCH_CHECK(key.size(3) == query.size(3) && value.size(2) == key.size(2) &&
                  key.size(1) == query.size(1) && value.size(1) == query.size(1) &&
                  key.size(0) == query.size(0) && value.size(0) == query.size(0),
              "queries ", query.sizes(), ", keys ", key.sizes(), " and values ", value.sizes(),
              " do not belong together");
  const int64_t batch = query.size(0);
  // Heads side by side: what follows joins them again.
  at::Tensor output =
      at::empty({batch, query.size(2), query.size(1), query.size(3)}, query.options())
          .transpose(1, 2);
  at::Tensor scratch;
  for (int64_t b = 0; b < batch; ++b) {
    kernels::Attention task{query.size(1),
                            query.size(2),
                            key.size(2),
                            query.size(3),
                            static_cast<float>(1 / std::sqrt(static_cast<double>(query.size(3)))),
                            heads(query, b),
                            heads(key, b),
                            heads(value, b),
                            heads(output, b),
                            nullptr};
    if (!scratch.defined()) {
      scratch = at::empty({kernels::attentionScratch(task)}, query.options());
    }
    task.scratch = scratch.mutable_data_ptr<float>();
    kernels::attention(task);
  }
  return output;
}

/** Without mask, dropout, causality, another scale and shared heads. */
bool isPlain(Node* node) {
  const auto inputs = node->inputs();
  return inputs.size() == 8 && inputs[3]->mustBeNone() && isConstant(inputs[4], 0.0) &&
         isConstant(inputs[5], false) && inputs[6]->mustBeNone() && isConstant(inputs[7], false);
}

}  // namespace

int replaceAttention(const std::shared_ptr<torch::jit::Graph>& graph) {
  int replaced = 0;
  for (Node* node : graph->nodes()) {
    if (!isKind(node, "aten::scaled_dot_product_attention") || !isPlain(node)) continue;
    if (++replaced == 1) {
      registerOnce("attention", "(Tensor query, Tensor key, Tensor value) -> Tensor",
                   torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(attention)));
    }
    replaceNode(node, "oxboard::attention", {node->input(0), node->input(1), node->input(2)});
  }
  return replaced;
}

}  // namespace oxboard
