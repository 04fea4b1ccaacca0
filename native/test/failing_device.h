// A device that computes on the CPU, counts its calls, and has as little memory as a test wants.
#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "compute_device.h"
#include "network.h"

namespace oxboard::testing {

class FailingDevice final : public ComputeDevice {
 public:
  int64_t fitting = 1000;  // most segments that fit into a call
  int64_t free = 1 << 20;
  int64_t bytesPerSegment = 1;
  std::string message;  // of the failure; empty: libtorch's own error for a lack of memory

  std::vector<int64_t> calls;  // segments of each call, those that failed among them
  int reclaimed = 0;

  // Its networks are the CPU's.
  std::string name() const override { return "cpu"; }
  bool sharesCalls() const override { return true; }
  at::Tensor hostBuffer(at::IntArrayRef shape) const override { return at::zeros(shape); }

  at::Tensor run(const Network& network, const at::Tensor& input) override {
    const int64_t segments = input.size(0);
    calls.push_back(segments);
    if (segments > fitting) {
      if (!message.empty()) throw std::runtime_error(message);
      TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory");
    }
    peak_ = segments * bytesPerSegment;
    return network.run(input).contiguous();
  }

  int64_t freeBytes() const override { return free; }
  int64_t peakBytesOfRun() const override { return peak_; }
  void reclaim() override { ++reclaimed; }

 private:
  int64_t peak_ = 0;
};

}  // namespace oxboard::testing
