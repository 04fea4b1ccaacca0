// Whether an optimized network gives what the plain one gives.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "doctest_with_torch.h"
#include "network.h"
#include "toy_model.h"

namespace oxboard::testing {

/** How far the difference lies below the reference, in dB. */
inline double decibels(const at::Tensor& reference, const at::Tensor& actual) {
  const double signal = reference.to(at::kDouble).square().sum().item<double>();
  const double noise =
      (reference.to(at::kDouble) - actual.to(at::kDouble)).square().sum().item<double>();
  return 10 * std::log10(signal / noise);
}

/** Runs a graph with and without optimizations and returns how much they replaced. */
inline int replacedIn(const std::string& forward, const std::map<std::string, at::Tensor>& weights,
                      const at::Tensor& input, const std::vector<std::string>& optimizations) {
  const ToyFile file(forward, weights);
  const Network plain(file.path(), "cpu", Optimizations::none());
  const Network optimized(file.path(), "cpu", Optimizations::named(optimizations));
  CHECK(plain.replacedOperators() == 0);
  const at::Tensor expected = plain.run(input);
  // More than once, for the interpreter specialises the graph after the first run.
  for (int run = 0; run < 3; ++run) {
    const at::Tensor actual = optimized.run(input);
    CHECK(actual.sizes() == expected.sizes());
    CHECK(decibels(expected, actual) > 100);
  }
  return optimized.replacedOperators();
}

}  // namespace oxboard::testing
