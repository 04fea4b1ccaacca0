// The CPU as a device.
#pragma once

#include <memory>

#include "compute_device.h"

namespace oxboard {

std::shared_ptr<ComputeDevice> openCpuDevice();

}  // namespace oxboard
