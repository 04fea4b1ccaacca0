#include "gpu_status.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <cstdlib>

namespace oxboard {
namespace {

#ifdef __APPLE__
constexpr const char* kDriver = "libcuda.dylib";
#else
constexpr const char* kDriver = "libcuda.so.1";
#endif
constexpr int kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/** The few functions of the driver's interface that are needed, found at run time. */
class Driver {
 public:
  Driver() : library_(dlopen(kDriver, RTLD_LAZY | RTLD_LOCAL)) {}

  bool there() const { return library_ != nullptr; }

  /** Calls `name`, whose result 0 means success. -1 when there is no such function. */
  template <typename... Arguments>
  int call(const char* name, Arguments... arguments) const {
    auto* function = reinterpret_cast<int (*)(Arguments...)>(dlsym(library_, name));
    return function == nullptr ? -1 : function(arguments...);
  }

 private:
  void* library_;  // kept open: libtorch uses it, too
};

std::string errorText(const Driver& driver, int error) {
  const char* name = nullptr;
  if (driver.call("cuGetErrorName", error, &name) != 0 || name == nullptr) {
    return "error " + std::to_string(error);
  }
  return name;
}

std::vector<Gpu> listGpus(const Driver& driver) {
  int count = 0;
  if (driver.call("cuDeviceGetCount", &count) != 0) return {};
  std::vector<Gpu> gpus;
  for (int index = 0; index < count; ++index) {
    int device = 0;
    char name[256] = "GPU";
    size_t bytes = 0;
    if (driver.call("cuDeviceGet", &device, index) != 0) break;
    driver.call("cuDeviceGetName", static_cast<char*>(name), static_cast<int>(sizeof name), device);
    driver.call("cuDeviceTotalMem_v2", &bytes, device);
    gpus.push_back({name, static_cast<int64_t>(bytes)});
  }
  return gpus;
}

/** Fills in what the driver says, and returns why no GPU can be used. */
std::string askDriver(GpuStatus& status, int runtimeVersion) {
  const Driver driver;
  if (!driver.there()) return std::string("no NVIDIA driver is installed: there is no ") + kDriver;
  int version = 0;
  if (driver.call("cuDriverGetVersion", &version) == 0) status.driverCuda = versionText(version);
  const int error = driver.call("cuInit", 0U);
  if (error != 0 && error != kNoDevice) {
    return "the NVIDIA driver does not start: " + errorText(driver, error);
  }
  if (error == 0) status.gpus = listGpus(driver);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (status.gpus.empty() && visible != nullptr) {
    return std::string("no GPU is left by CUDA_VISIBLE_DEVICES=") + visible;
  }
  if (status.gpus.empty()) return "the NVIDIA driver finds no GPU";
  // Within one major version a newer libtorch runs with an older driver.
  if (version / 1000 < runtimeVersion / 1000) {
    return "the NVIDIA driver serves CUDA " + status.driverCuda + ", libtorch needs " +
           status.cuda + ": update the driver";
  }
  if (!at::hasCUDA()) return "libtorch cannot use the GPU";
  return "";
}

}  // namespace

GpuStatus gpuStatus() {
  GpuStatus status;
  const at::CUDAHooksInterface& hooks = at::detail::getCUDAHooks();
  if (!hooks.hasCUDART()) {
    status.reason = "this addon is built with a libtorch for CPUs alone";
    return status;
  }
  const int version = static_cast<int>(hooks.versionCUDART());
  status.cuda = versionText(version);
  status.reason = askDriver(status, version);
  return status;
}

}  // namespace oxboard
