// What stands between this process and an NVIDIA GPU, for people. Asks the driver, not libtorch,
// which only says that there is no device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace oxboard {

struct Gpu {
  std::string name;
  int64_t memoryBytes = 0;
};

struct GpuStatus {
  std::string cuda;        // version of CUDA in libtorch, such as "13.0"; empty in a CPU build
  std::string driverCuda;  // newest CUDA that the driver serves; empty without a driver
  std::vector<Gpu> gpus;   // those that CUDA_VISIBLE_DEVICES leaves
  std::string reason;      // why no GPU can be used; empty when one can
};

/** Never throws. Devices in the order of their numbers in "cuda:N". */
GpuStatus gpuStatus();

}  // namespace oxboard
