// Segments through a network, as many at a time as the memory of the device allows. Knows nothing
// of any particular device.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compute_device.h"
#include "cpu_allocator.h"
#include "network.h"

namespace oxboard {

/** One piece of a song on its way through a network. */
struct Segment {
  /** Set when nobody wants the result any more. */
  const StopFlag* stop = nullptr;
  /** Writes the samples, row by row; what it leaves is zero. */
  std::function<void(float* input)> fill;
  /** Is given what the network made of them. What it throws is this segment's error alone. */
  std::function<void(const float* output)> take;
  /** Why there is no result. */
  std::exception_ptr error = nullptr;
};

/** What goes into a network for one segment, and what has to come out. */
struct SegmentShape {
  int64_t channels = 0;
  int64_t sources = 0;
  int64_t length = 0;  // sample frames
};

/** How segments came through. */
struct BatchReport {
  /** Most segments that ran in one call. */
  int64_t largestCall = 0;
  /** Memory ran out, and no more segments than this are tried at a time; 0 when it did not. */
  int64_t shrunkTo = 0;
  /** Segments that the device had no memory for even alone, and that the CPU ran. */
  int64_t onCpu = 0;
};

/** Used by one thread at a time, as its device. */
class BatchRunner {
 public:
  /** Most segments in one call; more of them no longer make a GPU faster. */
  static constexpr int64_t kMostSegments = 64;

  /**
   * @param threads of the CPU.
   * @param modelName for messages.
   */
  BatchRunner(std::shared_ptr<ComputeDevice> device, int threads, std::string modelName);

  /**
   * Runs every segment that nobody has stopped. On a device that shares calls a network's first
   * call is with one segment, whose memory is measured; from then on with as many as fit. When
   * memory runs out the number is halved, and what does not fit alone runs on the CPU.
   *
   * @return errors are in the segments: Error kAborted, kOutOfMemory, kInferenceFailed,
   * kModelInvalid, or what Segment::take threw.
   */
  BatchReport run(const Network& network, const SegmentShape& shape,
                  std::vector<Segment>& segments);

  /** Segments of a length that the next call would take. */
  int64_t callSize(const Network& network, int64_t length) const;

  const ComputeDevice& device() const { return *device_; }

 private:
  using Segments = std::vector<Segment*>;

  struct Limit {
    int64_t most = kMostSegments;
    int64_t bytesPerSegment = 0;  // 0: not known yet
    int calls = 0;                // since `most` was last changed
  };

  void call(ComputeDevice& device, const Network& network, const SegmentShape& shape,
            const Segments& segments);
  void runOnHost(const Network& network, const SegmentShape& shape, Segment& segment);
  void learn(Limit& limit, int64_t segments);
  std::exception_ptr explain(const std::exception& error, size_t failuresBefore) const;

  std::shared_ptr<ComputeDevice> device_;
  std::shared_ptr<ComputeDevice> host_;
  int threads_;
  std::string modelName_;
  std::map<std::pair<const Network*, int64_t>, Limit> limits_;
};

}  // namespace oxboard
