#include "kernels/dconv.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "agreement.h"
#include "doctest_with_torch.h"

using namespace oxboard;
using oxboard::testing::decibels;

namespace {

struct Weights {
  Weights(int64_t channels, int64_t hidden)
      : weight1(at::randn({hidden, channels, 3}) / std::sqrt(3.0 * channels)),
        bias1(at::randn({hidden}) * 0.3),
        normWeight1(at::randn({hidden})),
        normBias1(at::randn({hidden})),
        weight2(at::randn({2 * channels, hidden, 1}) / std::sqrt(static_cast<double>(hidden))),
        bias2(at::randn({2 * channels}) * 0.3),
        normWeight2(at::randn({2 * channels})),
        normBias2(at::randn({2 * channels})),
        scale(at::randn({channels})) {}

  at::Tensor weight1, bias1, normWeight1, normBias1, weight2, bias2, normWeight2, normBias2, scale;
};

at::Tensor plainLayer(const at::Tensor& x, const Weights& w, int64_t dilation) {
  at::Tensor y = at::conv1d(x, w.weight1, w.bias1, {1}, {dilation}, {dilation});
  y = at::gelu(at::group_norm(y, 1, w.normWeight1, w.normBias1, 1e-5));
  y = at::conv1d(y, w.weight2, w.bias2);
  y = at::glu(at::group_norm(y, 1, w.normWeight2, w.normBias2, 1e-5), 1);
  return x + w.scale.unsqueeze(1) * y;
}

kernels::DConvLayer layerOf(const at::Tensor& x, const Weights& w, int64_t dilation,
                            at::Tensor& output) {
  output = at::full_like(x, NAN);
  return {x.size(0),
          x.size(1),
          w.weight1.size(0),
          x.size(2),
          dilation,
          x.stride(0),
          x.stride(1),
          x.const_data_ptr<float>(),
          w.weight1.const_data_ptr<float>(),
          w.bias1.const_data_ptr<float>(),
          w.normWeight1.const_data_ptr<float>(),
          w.normBias1.const_data_ptr<float>(),
          1e-5,
          w.weight2.const_data_ptr<float>(),
          w.bias2.const_data_ptr<float>(),
          w.normWeight2.const_data_ptr<float>(),
          w.normBias2.const_data_ptr<float>(),
          1e-5,
          w.scale.const_data_ptr<float>(),
          output.mutable_data_ptr<float>()};
}

}  // namespace

TEST_CASE("dconv: every instruction set agrees with the plain operators, at every shape") {
  at::manual_seed(0);
  for (const char* set : {"plain", "avx2", "avx512"}) {
    const kernels::KernelSet* kernels = kernels::kernelsFor(set);
    if (kernels == nullptr) continue;
    for (const auto& [channels, hidden] : {std::pair{48, 6}, {7, 5}, {8, 4}, {96, 24}, {1, 1}}) {
      const Weights weights(channels, hidden);
      for (const int64_t frames : {1, 2, 3, 15, 16, 17, 63, 64, 65, 336, 1000}) {
        for (const int64_t batch : {1, 3, 9}) {
          for (const int64_t dilation : {1, 2}) {
            const at::Tensor x = at::randn({batch, channels, frames}) + 0.5;
            at::Tensor output;
            kernels::dconvLayer(layerOf(x, weights, dilation, output), *kernels);
            INFO(set, " channels ", channels, " hidden ", hidden, " frames ", frames, " batch ",
                 batch, " dilation ", dilation);
            CHECK(decibels(plainLayer(x, weights, dilation), output) > 100);
          }
        }
      }
    }
  }
}

TEST_CASE("dconv: a long row is right and the same in every run") {
  at::manual_seed(1);
  const Weights weights(48, 6);
  const at::Tensor x = at::randn({1, 48, 85995}) * 3 - 1;
  at::Tensor first;
  at::Tensor second;
  kernels::dconvLayer(layerOf(x, weights, 2, first));
  kernels::dconvLayer(layerOf(x, weights, 2, second));
  CHECK(decibels(plainLayer(x, weights, 2), first) > 100);
  CHECK(at::equal(first, second));
}

TEST_CASE("dconv: NaN in the input reaches the output") {
  const Weights weights(8, 4);
  at::Tensor x = at::randn({1, 8, 100});
  x[0][3][50] = NAN;
  at::Tensor output;
  kernels::dconvLayer(layerOf(x, weights, 1, output));
  CHECK(std::isnan(output.sum().item<float>()));
}

TEST_CASE("dconv: rows that lie between each other, as those of a frequency branch do") {
  at::manual_seed(2);
  const Weights weights(8, 4);
  const at::Tensor x = at::randn({8, 5, 100}).transpose(0, 1);
  at::Tensor output;
  kernels::dconvLayer(layerOf(x, weights, 1, output));
  CHECK(output.strides() == x.strides());
  CHECK(decibels(plainLayer(x, weights, 1), output) > 100);
}

namespace {

/** A layer as demucs traces it, with one part of its text replaced. */
std::string layerText(const std::string& part = "", const std::string& replacement = "") {
  std::string text =
      "def forward(self, x):\n"
      "  h = torch._convolution(x, self.w1, self.b1, [1], [2], [2], False, [0], 1, "
      "False, False, True, True)\n"
      "  g = torch.gelu(torch.group_norm(h, 1, self.g1, self.c1, 1e-5), approximate='none')\n"
      "  y = torch._convolution(g, self.w2, self.b2, [1], [0], [1], False, [0], 1, "
      "False, False, True, True)\n"
      "  z = torch.glu(torch.group_norm(y, 1, self.g2, self.c2, 1e-5), 1)\n"
      "  out = x + self.scale * z\n"
      "  return out\n";
  if (!part.empty()) text.replace(text.find(part), part.size(), replacement);
  return text;
}

/** Runs the text with and without the pass; checks that they agree, and counts fused layers. */
int fusedLayers(const std::string& text) {
  const Weights w(8, 4);
  return testing::replacedIn(text,
                             {{"w1", w.weight1},
                              {"b1", w.bias1},
                              {"g1", w.normWeight1},
                              {"c1", w.normBias1},
                              {"w2", w.weight2},
                              {"b2", w.bias2},
                              {"g2", w.normWeight2},
                              {"c2", w.normBias2},
                              {"scale", w.scale.unsqueeze(1)}},
                             at::randn({3, 8, 100}), {"dconv"});
}

}  // namespace

TEST_CASE("dconv pass: a layer as demucs traces it is fused") {
  at::manual_seed(3);
  CHECK(fusedLayers(layerText()) == 1);
}

TEST_CASE("dconv pass: of two layers in a row, both are fused") {
  at::manual_seed(5);
  std::string text = layerText("return out", "x = out");
  std::string second = layerText();
  text += second.substr(second.find('\n') + 1);
  CHECK(fusedLayers(text) == 2);
}

TEST_CASE("dconv pass: what differs in any part stays as it is, and right") {
  at::manual_seed(4);
  CHECK(fusedLayers(layerText("(h, 1, self.g1", "(h, 2, self.g1")) == 0);
  CHECK(fusedLayers(layerText("(y, 1, self.g2", "(y, 2, self.g2")) == 0);
  CHECK(fusedLayers(layerText("'none'", "'tanh'")) == 0);
  CHECK(fusedLayers(layerText("x + self.scale", "2 * x + self.scale")) == 0);
  CHECK(fusedLayers(layerText("return out", "return out + h.mean()")) == 0);
  CHECK(fusedLayers(layerText("return out", "return out + z")) == 0);
  CHECK(fusedLayers(layerText("x + self.scale * z", "torch.add(x, self.scale * z, alpha=2)")) == 0);
  CHECK(fusedLayers(layerText("[1], [2], [2], False", "[1], [1], [1], False")) == 1);
  CHECK(fusedLayers(layerText("self.b1, [1], [2], [2]", "None, [1], [2], [2]")) == 0);
  // A scale without its second dimension goes along time, where time is as long as the channels.
  CHECK(fusedLayers(layerText("self.scale * z", "self.scale[0] * z")) == 0);
}
