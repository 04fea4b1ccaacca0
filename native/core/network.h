// One network loaded from a TorchScript file. The only place that knows TorchScript, so that
// another kind of graph can take its place.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

namespace at {
class Tensor;
}

namespace oxboard {

/** The one line of an exception of libtorch that tells people what went wrong. */
std::string libtorchReason(const std::exception& error);

class Network {
 public:
  /**
   * Loads the graph in `file`, moves it to `device` ("cpu", "cuda:0") and freezes it.
   *
   * @throws Error kModelInvalid when the file is no TorchScript or cannot be run on the device,
   * kOutOfMemory when there is no room for its weights.
   */
  Network(const std::string& file, const std::string& device);
  ~Network();

  /**
   * Runs the network without gradients on the calling thread and its team.
   *
   * @param input (batch, channels, samples), float32, on the device.
   * @return (batch, sources, channels, samples), whatever the graph gives.
   * @throws std::exception as libtorch throws it.
   */
  at::Tensor run(const at::Tensor& input) const;

  /** Bytes of all weights. */
  int64_t weightBytes() const { return weightBytes_; }

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
  int64_t weightBytes_ = 0;
};

}  // namespace oxboard
