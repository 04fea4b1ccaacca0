// Where networks run: the little that batching needs to know of a device. Tests put a device of
// their own in its place.
#pragma once

#include <cstdint>
#include <string>

namespace at {
class Tensor;
}
namespace c10 {
template <typename T>
class ArrayRef;
}

namespace oxboard {

class Network;

struct DeviceOptions {
  /** Products of 10 bits of mantissa on CUDA: faster on newer GPUs, further from Python's result.
   */
  bool tf32 = false;
};

/** Used by one thread at a time. */
class ComputeDevice {
 public:
  virtual ~ComputeDevice() = default;

  /** "cpu" or "cuda:0", "cuda:1" ... */
  virtual std::string name() const = 0;

  /**
   * Whether many segments are to go through a network at once, those of other songs among them. If
   * not, each batch of a plan runs as it is, and what is said of memory below is never asked.
   */
  virtual bool sharesCalls() const = 0;

  /** Zeros in memory of the host that `run` can read fast. */
  virtual at::Tensor hostBuffer(c10::ArrayRef<int64_t> shape) const = 0;

  /**
   * Runs a network of this device.
   *
   * @param input made by hostBuffer.
   * @return what the network gives, contiguous, in memory of the host and complete.
   * @throws std::exception as libtorch throws it.
   */
  virtual at::Tensor run(const Network& network, const at::Tensor& input) = 0;

  /** Bytes that tensors can still take here. */
  virtual int64_t freeBytes() const = 0;

  /** Bytes that the latest run took at most; 0 when that is not known. */
  virtual int64_t peakBytesOfRun() const = 0;

  /** Returns what is kept for later tensors, after memory has run out. */
  virtual void reclaim() = 0;
};

}  // namespace oxboard
