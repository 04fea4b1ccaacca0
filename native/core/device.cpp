#include "device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>

#include "error.h"

namespace oxboard {

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
  if (!at::hasCUDA()) message += ". This build of libtorch sees no CUDA device";
  throw Error(ErrorCode::kDeviceUnavailable, message);
}

int defaultThreads() {
  // Asked once, before any model sets its own number for the thread that it runs on.
  static const int threads = at::get_num_threads();
  return threads;
}

std::string libtorchVersion() { return TORCH_VERSION; }

}  // namespace oxboard
