#include "batch_runner.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "cpu_device.h"
#include "error.h"

namespace oxboard {
namespace {

/** Share of the free memory that batches may fill; others live on the device, too. */
constexpr double kShareOfMemory = 0.8;

/** Calls after which a number of segments that once was too many is tried again. */
constexpr int kCallsUntilGrowth = 16;

std::string shapeText(at::IntArrayRef shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

std::exception_ptr aborted() {
  return std::make_exception_ptr(Error(ErrorCode::kAborted, "stopped"));
}

}  // namespace

BatchRunner::BatchRunner(std::shared_ptr<ComputeDevice> device, int threads, std::string modelName)
    : device_(std::move(device)),
      host_(openCpuDevice()),
      threads_(threads),
      modelName_(std::move(modelName)) {}

int64_t BatchRunner::callSize(const Network& network, int64_t length) const {
  const auto known = limits_.find({&network, length});
  if (known == limits_.end() || known->second.bytesPerSegment == 0) return 1;
  const Limit& limit = known->second;
  const auto budget = static_cast<int64_t>(
      static_cast<double>(std::max<int64_t>(device_->freeBytes(), 0)) * kShareOfMemory);
  return std::clamp<int64_t>(budget / limit.bytesPerSegment, 1, limit.most);
}

void BatchRunner::learn(Limit& limit, int64_t segments) {
  const int64_t peak = device_->peakBytesOfRun();
  if (peak > 0) limit.bytesPerSegment = std::max<int64_t>(peak / segments, 1);
  if (++limit.calls < kCallsUntilGrowth || limit.most == kMostSegments) return;
  limit.most = std::min(limit.most * 2, kMostSegments);
  limit.calls = 0;
}

BatchReport BatchRunner::run(const Network& network, const SegmentShape& shape,
                             std::vector<Segment>& segments) {
  BatchReport report;
  size_t next = 0;
  while (next < segments.size()) {
    size_t count = segments.size() - next;
    if (device_->sharesCalls()) {
      count = std::min(count, static_cast<size_t>(callSize(network, shape.length)));
    }
    Segments wanted;
    for (size_t i = next; i < next + count; ++i) {
      if (segments[i].stop != nullptr && segments[i].stop->load()) {
        segments[i].error = aborted();
      } else {
        wanted.push_back(&segments[i]);
      }
    }
    const auto size = static_cast<int64_t>(wanted.size());
    const size_t failuresBefore = failedAllocations();
    try {
      if (size > 0) call(*device_, network, shape, wanted);
      report.largestCall = std::max(report.largestCall, size);
      if (size > 0 && device_->sharesCalls()) learn(limits_[{&network, shape.length}], size);
    } catch (const std::exception& error) {
      const bool ours = dynamic_cast<const Error*>(&error) != nullptr;
      if (!ours && device_->sharesCalls() && ranOutOfMemory(error, failuresBefore)) {
        device_->reclaim();
        Limit& limit = limits_[{&network, shape.length}];
        limit.most = std::max<int64_t>(size / 2, 1);
        limit.calls = 0;
        report.shrunkTo = limit.most;
        if (size > 1) continue;
        runOnHost(network, shape, *wanted.front());
        ++report.onCpu;
      } else {
        for (Segment* segment : wanted) segment->error = explain(error, failuresBefore);
      }
    }
    next += count;
  }
  return report;
}

void BatchRunner::runOnHost(const Network& network, const SegmentShape& shape, Segment& segment) {
  const size_t failuresBefore = failedAllocations();
  try {
    call(*host_, network.onHost(), shape, {&segment});
  } catch (const std::exception& error) {
    segment.error = explain(error, failuresBefore);
  }
}

void BatchRunner::call(ComputeDevice& device, const Network& network, const SegmentShape& shape,
                       const Segments& segments) {
  at::set_num_threads(threads_);
  const auto count = static_cast<int64_t>(segments.size());
  const c10::InferenceMode inference;
  // Only a device that works for one song at a time has operators that allocate what it stops.
  static const StopFlag kNever{false};
  const bool stoppable = !device.sharesCalls() && segments.front()->stop != nullptr;
  at::Tensor output;
  try {
    const StopScope scope(stoppable ? *segments.front()->stop : kNever);
    at::Tensor input = device.hostBuffer({count, shape.channels, shape.length});
    float* samples = input.mutable_data_ptr<float>();
    for (const Segment* segment : segments) {
      segment->fill(samples);
      samples += shape.channels * shape.length;
    }
    output = device.run(network, input);
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {
    if (!stoppable || !segments.front()->stop->load()) throw;
    throw Error(ErrorCode::kAborted, "stopped");
  }

  const std::vector<int64_t> expected{count, shape.sources, shape.channels, shape.length};
  if (output.sizes() != at::IntArrayRef(expected) || output.scalar_type() != at::kFloat) {
    throw Error(ErrorCode::kModelInvalid, "Network " + network.file() + " gave " +
                                              output.toString() + " " + shapeText(output.sizes()) +
                                              " where its archive promises floats " +
                                              shapeText(expected));
  }
  const float* samples = output.const_data_ptr<float>();
  for (Segment* segment : segments) {
    try {
      segment->take(samples);
    } catch (...) {
      segment->error = std::current_exception();
    }
    samples += shape.sources * shape.channels * shape.length;
  }
}

std::exception_ptr BatchRunner::explain(const std::exception& error, size_t failuresBefore) const {
  if (const auto* known = dynamic_cast<const Error*>(&error))
    return std::make_exception_ptr(*known);
  if (ranOutOfMemory(error, failuresBefore)) {
    return std::make_exception_ptr(
        Error(ErrorCode::kOutOfMemory, "Not enough memory to run a segment of " + modelName_));
  }
  return std::make_exception_ptr(
      Error(ErrorCode::kInferenceFailed,
            "libtorch could not run " + modelName_ + ": " + libtorchReason(error)));
}

}  // namespace oxboard
