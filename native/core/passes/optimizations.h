// What is done to make a network faster on the CPU. Each can be left out; the stems stay the same
// within rounding.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace torch::jit {
struct Graph;
}

namespace oxboard {

struct Optimizations {
  bool dconv = false;                  // dconv_pass.h
  bool transposedConvolution = false;  // transposed_convolution_pass.h
  bool tokenNorm = false;              // token_norm_pass.h
  bool linear = false;                 // linear_pass.h
  bool attention = false;              // attention_pass.h
  bool denormals = false;              // denormals.h

  static Optimizations none() { return {}; }
  static Optimizations all();
  /**
   * Those of these names: "dconv", "transposedConvolution", "tokenNorm", "linear", "attention",
   * "denormals".
   *
   * @throws std::invalid_argument for any other.
   */
  static Optimizations named(const std::vector<std::string>& names);
};

/**
 * Runs the chosen passes over a frozen graph for the CPU.
 *
 * @return how many operators or chains of operators were replaced.
 */
int optimizeGraph(const std::shared_ptr<torch::jit::Graph>& graph, const Optimizations& chosen);

}  // namespace oxboard
