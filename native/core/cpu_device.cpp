#include "cpu_device.h"

#include <ATen/ATen.h>

#include <limits>

#include "network.h"

namespace oxboard {
namespace {

class CpuDevice final : public ComputeDevice {
 public:
  std::string name() const override { return "cpu"; }
  bool sharesCalls() const override { return false; }
  at::Tensor hostBuffer(at::IntArrayRef shape) const override { return at::zeros(shape); }
  at::Tensor run(const Network& network, const at::Tensor& input) override {
    return network.run(input).contiguous();
  }
  int64_t freeBytes() const override { return std::numeric_limits<int64_t>::max(); }
  int64_t peakBytesOfRun() const override { return 0; }
  void reclaim() override {}
};

}  // namespace

std::shared_ptr<ComputeDevice> openCpuDevice() { return std::make_shared<CpuDevice>(); }

}  // namespace oxboard
