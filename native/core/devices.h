// The devices of this machine, its threads, and the version of libtorch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compute_device.h"

namespace oxboard {

/** Names of the devices on which networks can run here: "cpu" first, then "cuda:0", "cuda:1" ... */
std::vector<std::string> availableDevices();

/**
 * The device to use for a request: "auto" takes the first CUDA device if there is one, "cuda" means
 * "cuda:0".
 *
 * @throws Error kDeviceUnavailable naming what is available.
 */
std::string resolveDevice(const std::string& requested);

/** @param name as resolveDevice gives it. */
std::shared_ptr<ComputeDevice> openDevice(const std::string& name, DeviceOptions options = {});

/** Threads to use by default: the physical cores, or as many as the control group grants. */
int defaultThreads();

/** Version of the libtorch in use, such as "2.13.0". */
std::string libtorchVersion();

}  // namespace oxboard
