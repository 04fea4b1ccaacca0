#include "cuda_device.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/codegen/fuser/interface.h>

#include <algorithm>

#include "network.h"

namespace oxboard {
namespace {

constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

class CudaDevice final : public ComputeDevice {
 public:
  CudaDevice(const std::string& name, DeviceOptions options) : device_(name), options_(options) {
    torch::jit::overrideCanFuseOnGPU(false);
  }

  std::string name() const override { return device_.str(); }
  bool sharesCalls() const override { return true; }

  at::Tensor hostBuffer(at::IntArrayRef shape) const override {
    return at::zeros(shape, at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
  }

  at::Tensor run(const Network& network, const at::Tensor& input) override {
    const c10::DeviceGuard guard(device_);
    choosePrecision();
    const int64_t before = allocated().current;
    allocator().resetPeakStats(device_.index());

    const at::Tensor result = network.run(input.to(device_, /*non_blocking=*/true)).contiguous();
    const at::Tensor onHost =
        at::empty(result.sizes(), result.options().device(at::kCPU).pinned_memory(true));
    onHost.copy_(result, /*non_blocking=*/true);

    const c10::impl::VirtualGuardImpl cuda(device_.type());
    cuda.synchronizeStream(cuda.getStream(device_));
    peakBytes_ = std::max<int64_t>(allocated().peak - before, 0);
    return onHost;
  }

  int64_t freeBytes() const override {
    const c10::DeviceGuard guard(device_);
    // What the allocator keeps without a tensor in it is free for ours, though not for others.
    const auto stats = allocator().getDeviceStats(device_.index());
    const int64_t kept = stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].current;
    return static_cast<int64_t>(allocator().getMemoryInfo(device_.index()).first) + kept;
  }

  int64_t peakBytesOfRun() const override { return peakBytes_; }

  void reclaim() override {
    const c10::DeviceGuard guard(device_);
    allocator().emptyCache();
  }

 private:
  static c10::DeviceAllocator& allocator() { return *c10::getDeviceAllocator(at::kCUDA); }

  c10::CachingAllocator::Stat allocated() const {
    return allocator().getDeviceStats(device_.index()).allocated_bytes[kAll];
  }

  void choosePrecision() const {
    at::Context& context = at::globalContext();
    // libtorch's own default is TF32 in convolutions, which costs the agreement with the CPU.
    const auto precision = options_.tf32 ? at::Float32Precision::TF32 : at::Float32Precision::IEEE;
    for (const auto op : {at::Float32Op::CONV, at::Float32Op::RNN, at::Float32Op::MATMUL}) {
      context.setFloat32Precision(at::Float32Backend::CUDA, op, precision);
    }
    context.setDeterministicCuDNN(true);
    context.setBenchmarkCuDNN(false);
  }

  c10::Device device_;
  DeviceOptions options_;
  int64_t peakBytes_ = 0;
};

}  // namespace

std::shared_ptr<ComputeDevice> openCudaDevice(const std::string& name, DeviceOptions options) {
  return std::make_shared<CudaDevice>(name, options);
}

}  // namespace oxboard
