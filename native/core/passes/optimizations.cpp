#include "optimizations.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <stdexcept>
#include <utility>

#include "attention_pass.h"
#include "dconv_pass.h"
#include "linear_pass.h"
#include "token_norm_pass.h"
#include "transposed_convolution_pass.h"

namespace oxboard {
namespace {

using Graph = std::shared_ptr<torch::jit::Graph>;

constexpr std::pair<const char*, bool Optimizations::*> kNames[] = {
    {"dconv", &Optimizations::dconv},
    {"transposedConvolution", &Optimizations::transposedConvolution},
    {"tokenNorm", &Optimizations::tokenNorm},
    {"linear", &Optimizations::linear},
    {"attention", &Optimizations::attention},
    {"denormals", &Optimizations::denormals},
};

constexpr std::pair<bool Optimizations::*, int (*)(const Graph&)> kPasses[] = {
    {&Optimizations::dconv, fuseDConv},
    {&Optimizations::transposedConvolution, rewriteTransposedConvolutions},
    {&Optimizations::tokenNorm, fuseTokenNorms},
    {&Optimizations::linear, packLinear},
    {&Optimizations::attention, replaceAttention},
};

}  // namespace

Optimizations Optimizations::all() {
  Optimizations chosen;
  for (const auto& [name, member] : kNames) chosen.*member = true;
  return chosen;
}

Optimizations Optimizations::named(const std::vector<std::string>& names) {
  Optimizations chosen;
  for (const std::string& wanted : names) {
    bool known = false;
    for (const auto& [name, member] : kNames) {
      if (wanted == name) known = chosen.*member = true;
    }
    if (!known) throw std::invalid_argument("no optimization is called " + wanted);
  }
  return chosen;
}

int optimizeGraph(const Graph& graph, const Optimizations& chosen) {
  int replaced = 0;
  for (const auto& [member, pass] : kPasses) {
    if (chosen.*member) replaced += pass(graph);
  }
  torch::jit::EliminateDeadCode(graph);
  return replaced;
}

}  // namespace oxboard
