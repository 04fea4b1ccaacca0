#include <ATen/ATen.h>

#include <stdexcept>

#include "agreement.h"
#include "doctest_with_torch.h"
#include "kernels/attention.h"
#include "kernels/interleave.h"

using namespace oxboard;
using oxboard::testing::decibels;
using oxboard::testing::replacedIn;

TEST_CASE("optimizations: a name that nobody knows is refused") {
  CHECK_THROWS_AS(Optimizations::named({"dconv", "magic"}), std::invalid_argument);
}

// ---- transposed convolutions

namespace {

/** A decoder's last steps: transposed convolution, the ends cut off, GELU. */
int interleaved(const std::string& tail, int64_t stride, const at::Tensor& input,
                int64_t kernel = 0) {
  const bool rows = input.dim() == 4;
  const int64_t taps = kernel ? kernel : 2 * stride;
  std::vector<int64_t> shape{input.size(1), 5, taps};
  if (rows) shape.push_back(1);
  const std::string s = std::to_string(stride);
  const std::string lists =
      rows ? "[" + s + ", 1], [0, 0], [1, 1], True, [0, 0]" : "[" + s + "], [0], [1], True, [0]";
  return replacedIn("def forward(self, x):\n  z = torch._convolution(x, self.w, self.b, " + lists +
                        ", 1, False, False, True, True)\n" + tail,
                    {{"w", at::randn(shape)}, {"b", at::randn({5})}}, input,
                    {"transposedConvolution"});
}

}  // namespace

TEST_CASE("transposed convolutions: along rows and along samples, with GELU and without") {
  at::manual_seed(1);
  for (const int64_t stride : {2, 4}) {
    for (const at::Tensor& x : {at::randn({1, 6, 40}), at::randn({2, 6, 40, 33}),
                                at::randn({2, 33, 40, 6}).transpose(1, 3)}) {
      CHECK(interleaved("  return torch.gelu(torch.slice(z, 2, 2, -2, 1))\n", stride, x) == 1);
      CHECK(interleaved("  return torch.slice(z, 2, 1, x.size(2) + 3, 1)\n", stride, x) == 1);
    }
  }
  CHECK(interleaved("  y = torch.slice(z, 2, 2, -2, 1)\n"
                    "  return torch.gelu(torch.slice(y, 3, 0, 9223372036854775807, 1))\n",
                    4, at::randn({1, 6, 20, 7})) == 1);
}

TEST_CASE("transposed convolutions: other ones stay as they are") {
  at::manual_seed(2);
  const at::Tensor x = at::randn({1, 6, 40});
  CHECK(interleaved("  return z\n", 4, x) == 0);
  CHECK(interleaved("  return torch.slice(z, 2, 2, -2, 1) + z.mean()\n", 4, x) == 0);
  CHECK(interleaved("  return torch.slice(z, 2, 2, -2, 2)\n", 4, x) == 0);
  CHECK(interleaved("  return torch.slice(z, 1, 1, -1, 1)\n", 4, x) == 0);
  CHECK(interleaved("  return torch.slice(z, 2, 2, -2, 1)\n", 4, x, 7) == 0);
}

TEST_CASE("interleave: every instruction set, whole frames and single values") {
  at::manual_seed(3);
  for (const char* set : {"plain", "avx2", "avx512"}) {
    const kernels::KernelSet* kernels = kernels::kernelsFor(set);
    if (kernels == nullptr) continue;
    for (const int64_t inner : {1, 5, 40}) {
      for (const int64_t frames : {1, 3, 2500}) {
        const at::Tensor x = at::randn({3, 4, frames, inner});
        const at::Tensor whole = at::gelu(x).transpose(1, 2).reshape({3, 4 * frames, inner});
        for (const int64_t begin : {0, 1}) {
          const int64_t length = 4 * frames - 2 * begin;
          at::Tensor output = at::full({3, length, inner}, NAN);
          kernels::interleave({3, 4, frames, inner, begin, length, x.const_data_ptr<float>(),
                               output.mutable_data_ptr<float>(), true},
                              *kernels);
          INFO(set, " inner ", inner, " frames ", frames, " begin ", begin);
          CHECK(decibels(whole.narrow(1, begin, length), output) > 120);
        }
      }
    }
  }
}

// ---- norms of sequences

TEST_CASE("token norms: turned around twice becomes one operator, and stays where it lies") {
  at::manual_seed(4);
  const std::map<std::string, at::Tensor> weights{{"w", at::randn({24})}, {"b", at::randn({24})}};
  const at::Tensor x = at::randn({2, 150, 24}) * 3 + 1;
  const auto replaced = [&](const std::string& body, const at::Tensor& input) {
    return replacedIn("def forward(self, x):\n" + body, weights, input, {"tokenNorm"});
  };
  const std::string norm =
      "  y = torch.group_norm(torch.transpose(x, 1, 2), 1, self.w, self.b, 1e-5)\n";
  CHECK(replaced(norm + "  return torch.transpose(y, 1, 2)\n", x) == 1);
  CHECK(replaced(norm + "  return torch.transpose(y, 2, 1)\n",
                 at::randn({2, 24, 150}).transpose(1, 2)) == 1);
  CHECK(replaced(norm + "  return torch.transpose(y, 0, 1)\n", x) == 0);
  CHECK(replaced(norm + "  return torch.transpose(y, 1, 2) + y.mean()\n", x) == 0);
  CHECK(replaced("  y = torch.group_norm(torch.transpose(x, 1, 2), 2, self.w, self.b, 1e-5)\n"
                 "  return torch.transpose(y, 1, 2)\n",
                 x) == 0);
}

// ---- linear layers

TEST_CASE("linear layers: packed, with what follows them") {
  at::manual_seed(5);
  const std::map<std::string, at::Tensor> weights{{"w", at::randn({40, 24})},
                                                  {"b", at::randn({40})},
                                                  {"scale", at::randn({40})},
                                                  {"other", at::randn({1})}};
  const at::Tensor x = at::randn({2, 150, 24});
  const auto replaced = [&](const std::string& body) {
    return replacedIn("def forward(self, x):\n  y = torch.linear(x, self.w, self.b)\n" + body,
                      weights, x, {"linear"});
  };
  CHECK(replaced("  return y\n") == 1);
  CHECK(replaced("  return torch.gelu(y, approximate='none')\n") == 1);
  CHECK(replaced("  return torch.gelu(y, approximate='tanh')\n") == 1);
  CHECK(replaced("  return torch.gelu(y, approximate='none') + y\n") == 1);
  CHECK(replaced("  r = torch.cat([x, x], 2)[:, :, :40]\n  return r + self.scale * y\n") == 1);
  CHECK(replaced("  r = torch.cat([x, x], 2)[:, :, :40]\n  return r + self.other * y\n") == 1);
  // A residual that the sum stretches.
  CHECK(replaced("  r = torch.cat([x, x], 2)[:, :1, :40]\n  return r + self.scale * y\n") == 1);
  CHECK(replacedIn("def forward(self, x):\n  return torch.linear(x, self.w, None)\n", weights, x,
                   {"linear"}) == 0);
}

// ---- attention

TEST_CASE("attention: queries, keys and values of a joint projection") {
  at::manual_seed(6);
  const auto replaced = [](int64_t width, const std::string& arguments = "") {
    const std::string heads = "[x.size(0), x.size(1), 3, 2, " + std::to_string(width) + "]";
    return replacedIn("def forward(self, x):\n  q, k, v = torch.unbind(x.view(" + heads +
                          ").permute(2, 0, 3, 1, 4))\n"
                          "  y = torch.scaled_dot_product_attention(q, k, v" +
                          arguments + ")\n  return y.transpose(1, 2).flatten(2)\n",
                      {}, at::randn({2, 700, 6 * width}), {"attention"});
  };
  CHECK(replaced(64) == 1);
  // No width for the kernels: libtorch's own does it.
  CHECK(replaced(20) == 1);
  CHECK(replaced(64, ", is_causal=True") == 0);
  CHECK(replaced(64, ", scale=0.5") == 0);
}

TEST_CASE("attention: every instruction set, at every length; NaN reaches its row") {
  at::manual_seed(7);
  for (const char* set : {"plain", "avx2", "avx512"}) {
    const kernels::KernelSet* kernels = kernels::kernelsFor(set);
    if (kernels == nullptr) continue;
    for (const int64_t queries : {1, 5, 48, 49, 200}) {
      for (const int64_t keys : {1, 63, 64, 65, 512, 513, 1100}) {
        at::Tensor q = at::randn({3, queries, 64}) * 4;
        const at::Tensor k = at::randn({3, keys, 64});
        const at::Tensor v = at::randn({3, keys, 64});
        at::Tensor output = at::full({3, queries, 64}, NAN);
        const auto heads = [](const at::Tensor& x) {
          return kernels::Heads{const_cast<float*>(x.const_data_ptr<float>()), x.stride(0),
                                x.stride(1)};
        };
        kernels::Attention task{3,        queries,  keys,          64,     0.125f, heads(q),
                                heads(k), heads(v), heads(output), nullptr};
        at::Tensor scratch = at::empty({kernels::attentionScratch(task, *kernels)});
        task.scratch = scratch.mutable_data_ptr<float>();
        kernels::attention(task, *kernels);
        INFO(set, " queries ", queries, " keys ", keys);
        CHECK(decibels(at::scaled_dot_product_attention(q, k, v), output) > 100);
        q[1][0][3] = NAN;
        kernels::attention(task, *kernels);
        CHECK(output[1][0].isnan().all().item<bool>());
        CHECK(!output[2].isnan().any().item<bool>());
      }
    }
  }
}

// ---- denormals

TEST_CASE("denormals: zero while the network runs, and as before afterwards") {
  const testing::ToyFile file("def forward(self, x):\n  return x * 1e-3\n");
  const at::Tensor x = at::full({1, 2, 100'000}, 1e-36f);
  const Network flushing(file.path(), "cpu", Optimizations::named({"denormals"}));
  CHECK(flushing.run(x).abs().max().item<float>() == 0);
  CHECK((x * 1e-3f).abs().min().item<float>() > 0);
  const Network plain(file.path(), "cpu", Optimizations::none());
  CHECK(plain.run(x).abs().min().item<float>() > 0);
}
