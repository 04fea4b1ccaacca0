// An NVIDIA GPU through libtorch's device-independent interfaces, so that it is compiled without a
// CUDA toolkit, and in every build.
#pragma once

#include <memory>
#include <string>

#include "compute_device.h"

namespace oxboard {

/**
 * Fused kernels that libtorch would compile at run time are switched off in the process, since
 * batches of another size would have them compiled anew. The choice of precision is the process's,
 * too: it is made before each run.
 *
 * @param name "cuda:N", as resolveDevice gives it.
 */
std::shared_ptr<ComputeDevice> openCudaDevice(const std::string& name, DeviceOptions options);

}  // namespace oxboard
