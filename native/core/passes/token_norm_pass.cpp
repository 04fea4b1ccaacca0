#include "token_norm_pass.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "../kernels/kernel_set.h"
#include "graph_pattern.h"

namespace oxboard {
namespace {

at::Tensor tokenNorm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     double epsilon) {
  TORCH_CHECK(x.dim() == 3 && x.size(2) == weight.size(0) && x.scalar_type() == at::kFloat,
              "a norm of frames expects floats of shape (batch, frames, ", weight.size(0), ")");
  const kernels::ElementwiseKernels& kernel = kernels::widestKernels().elementwise;
  const at::Tensor input = x.contiguous();
  at::Tensor output = at::empty_like(input);
  const int64_t frames = input.size(1);
  const int64_t channels = input.size(2);
  // Runs that do not depend on how many threads there are: the same bytes on every machine's team.
  constexpr int64_t kFramesPerRun = 64;
  const int64_t runs = (frames + kFramesPerRun - 1) / kFramesPerRun;
  std::vector<double> totals(runs);
  std::vector<double> squares(runs);
  std::vector<float> factors(channels);
  std::vector<float> offsets(channels);
  for (int64_t b = 0; b < input.size(0); ++b) {
    const float* source = input.const_data_ptr<float>() + b * frames * channels;
    float* target = output.mutable_data_ptr<float>() + b * frames * channels;
    at::parallel_for(0, runs, 1, [&](int64_t from, int64_t to) {
      for (int64_t run = from; run < to; ++run) {
        totals[run] = squares[run] = 0;
        const int64_t end = std::min(frames, (run + 1) * kFramesPerRun);
        for (int64_t frame = run * kFramesPerRun; frame < end; ++frame) {
          kernel.sums(source + frame * channels, channels, &totals[run], &squares[run]);
        }
      }
    });
    double total = 0;
    double square = 0;
    for (int64_t run = 0; run < runs; ++run) {
      total += totals[run];
      square += squares[run];
    }
    const double count = static_cast<double>(frames) * static_cast<double>(channels);
    const double mean = total / count;
    const double variance = std::max(square / count - mean * mean, 0.0);
    const double inverse = 1 / std::sqrt(variance + epsilon);
    const float* w = weight.const_data_ptr<float>();
    const float* o = bias.const_data_ptr<float>();
    for (int64_t c = 0; c < channels; ++c) {
      factors[c] = static_cast<float>(w[c] * inverse);
      offsets[c] = static_cast<float>(o[c] - mean * w[c] * inverse);
    }
    at::parallel_for(0, frames, kFramesPerRun, [&](int64_t from, int64_t to) {
      for (int64_t frame = from; frame < to; ++frame) {
        kernel.affine(source + frame * channels, factors.data(), offsets.data(),
                      target + frame * channels, channels);
      }
    });
  }
  return output;
}

bool swapsFramesAndChannels(const Node* transpose) {
  const auto first = constantInt(transpose->input(1));
  const auto second = constantInt(transpose->input(2));
  return first && second && std::min(*first, *second) == 1 && std::max(*first, *second) == 2;
}

}  // namespace

int fuseTokenNorms(const std::shared_ptr<torch::jit::Graph>& graph) {
  int replaced = 0;
  for (Node* norm : graph->nodes()) {
    if (!isKind(norm, "aten::group_norm") || !isConstant(norm->input(1), int64_t{1})) continue;
    Node* before = onlyUse(norm->input(0), "aten::transpose");
    Node* after = onlyUser(norm->output(), "aten::transpose");
    const auto weight = constantTensor(norm->input(2));
    const auto bias = constantTensor(norm->input(3));
    const auto epsilon = torch::jit::toIValue(norm->input(4));
    if (!before || !after || !weight || !bias || !epsilon) continue;
    if (!swapsFramesAndChannels(before) || !swapsFramesAndChannels(after)) continue;
    if (++replaced == 1) {
      registerOnce("token_norm", "(Tensor x, Tensor weight, Tensor bias, float epsilon) -> Tensor",
                   torch::dispatch(c10::DispatchKey::CPU, TORCH_FN(tokenNorm)));
    }
    replaceNode(after, "oxboard::token_norm", {before->input(0), *weight, *bias, *epsilon});
  }
  return replaced;
}

}  // namespace oxboard
