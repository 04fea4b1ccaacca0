#include "devices.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "cpu_device.h"
#include "cuda_device.h"
#include "error.h"
#include "gpu_status.h"

namespace oxboard {
namespace {

/** CPUs that the control group grants (rounded up), which may be fewer than the machine has. */
int cpuQuota() {
  double quota = 0;
  double period = 0;
  // The file says "max 100000" without a limit; that is not a number and leaves the quota open.
  if (std::ifstream("/sys/fs/cgroup/cpu.max") >> quota >> period && period > 0) {
    return static_cast<int>(std::ceil(quota / period));
  }
  return std::numeric_limits<int>::max();
}

}  // namespace

std::vector<std::string> availableDevices() {
  std::vector<std::string> devices{"cpu"};
  if (at::hasCUDA()) {
    const int count = at::detail::getCUDAHooks().deviceCount();
    for (int index = 0; index < count; ++index) devices.push_back("cuda:" + std::to_string(index));
  }
  return devices;
}

std::string resolveDevice(const std::string& requested) {
  const std::vector<std::string> devices = availableDevices();
  if (requested == "auto") return devices.size() > 1 ? devices[1] : devices[0];
  const std::string wanted = requested == "cuda" ? "cuda:0" : requested;
  if (std::find(devices.begin(), devices.end(), wanted) != devices.end()) return wanted;

  std::string available;
  for (const std::string& device : devices) available += (available.empty() ? "" : ", ") + device;
  std::string message = "Device \"" + requested + "\" is not available. Available: " + available;
  const std::string reason = gpuStatus().reason;
  if (!reason.empty()) message += " (" + reason + ")";
  throw Error(ErrorCode::kDeviceUnavailable, message);
}

std::shared_ptr<ComputeDevice> openDevice(const std::string& name, DeviceOptions options) {
  if (name == "cpu") return openCpuDevice();
  return openCudaDevice(name, options);
}

int defaultThreads() {
  // Asked once, before any model sets its own number for the thread that it runs on.
  static const int threads = std::max(std::min(at::get_num_threads(), cpuQuota()), 1);
  return threads;
}

std::string libtorchVersion() { return TORCH_VERSION; }

}  // namespace oxboard
