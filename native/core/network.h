// One network loaded from a TorchScript file. The only place that knows TorchScript, so that
// another kind of graph can take its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "passes/optimizations.h"

namespace at {
class Tensor;
}

namespace oxboard {

/** The one line of an exception of libtorch that tells people what went wrong. */
std::string libtorchReason(const std::exception& error);

/**
 * Whether work of libtorch failed for want of memory.
 *
 * @param failuresBefore failedAllocations() from before the work.
 */
bool ranOutOfMemory(const std::exception& error, size_t failuresBefore);

class Network {
 public:
  /**
   * Loads the graph in `file`, moves it to `device` ("cpu", "cuda:0") and freezes it.
   *
   * @param optimizations what is done to make it faster on the CPU.
   * @throws Error kModelInvalid when the file is no TorchScript, or when its graph names another
   * device; kOutOfMemory when there is no room for its weights.
   */
  Network(const std::string& file, const std::string& device, const Optimizations& optimizations);
  ~Network();

  /**
   * The same network on the CPU, made when it is first asked for: where a device has no memory for
   * a segment, the CPU runs it.
   *
   * @throws std::exception as libtorch throws it.
   */
  const Network& onHost() const;

  /**
   * Runs the network without gradients on the calling thread and its team.
   *
   * @param input (batch, channels, samples), float32, on the device.
   * @return (batch, sources, channels, samples), whatever the graph gives.
   * @throws std::exception as libtorch throws it.
   */
  at::Tensor run(const at::Tensor& input) const;

  /** Path of the TorchScript file. */
  const std::string& file() const { return file_; }

  /** Bytes of all weights. */
  int64_t weightBytes() const;

  /** How many operators or chains of operators the optimizations replaced. */
  int replacedOperators() const;

 private:
  struct Graph;
  Network(std::string file, std::unique_ptr<Graph> graph);

  std::string file_;
  std::unique_ptr<Graph> graph_;
  mutable std::unique_ptr<Network> onHost_;
};

}  // namespace oxboard
