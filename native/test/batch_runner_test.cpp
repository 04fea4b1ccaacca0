// Batching, its budget and what becomes of a lack of memory, on a device that runs out of memory
// when it is told to.
#include "batch_runner.h"

#include <ATen/ATen.h>

#include "doctest_with_torch.h"
#include "error.h"
#include "failing_device.h"
#include "toy_model.h"

using namespace oxboard;
using oxboard::testing::FailingDevice;
using oxboard::testing::kIdentity;
using oxboard::testing::ToyFile;

namespace {

constexpr int64_t kLength = 100;
constexpr SegmentShape kShape{2, 2, kLength};

/** Segments of ever another value, and what came back for each. */
struct Work {
  explicit Work(int64_t count) : results(count) {
    for (int64_t i = 0; i < count; ++i) {
      segments.push_back(
          {nullptr,
           [i](float* input) { std::fill_n(input, 2 * kLength, static_cast<float>(i + 1)); },
           [this, i](const float* output) {
             results[i] = {output[0], output[4 * kLength - 1]};
           }});
    }
  }

  /** Whether each segment got its own result: itself, and twice itself. */
  bool right() const {
    for (size_t i = 0; i < results.size(); ++i) {
      const auto value = static_cast<float>(i + 1);
      if (segments[i].error || results[i] != std::vector<float>{value, 2 * value}) return false;
    }
    return true;
  }

  std::vector<Segment> segments;
  std::vector<std::vector<float>> results;
};

struct Fixture {
  ToyFile file{kIdentity};
  Network network{file.path(), "cpu", Optimizations::all()};
  std::shared_ptr<FailingDevice> device = std::make_shared<FailingDevice>();
  BatchRunner runner{device, 2, "toy"};
};

ErrorCode codeOf(const Segment& segment) {
  try {
    if (segment.error) std::rethrow_exception(segment.error);
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("no error");
  return ErrorCode::kInternal;
}

}  // namespace

TEST_CASE("batches: the first segment is measured, the others fill four fifths of the memory") {
  Fixture fixture;
  fixture.device->free = 1000;
  fixture.device->bytesPerSegment = 100;
  Work work(20);
  const BatchReport report = fixture.runner.run(fixture.network, kShape, work.segments);
  CHECK(work.right());
  CHECK(fixture.device->calls == std::vector<int64_t>{1, 8, 8, 3});
  CHECK(report.largestCall == 8);
  CHECK(report.shrunkTo == 0);
  CHECK(report.onCpu == 0);

  fixture.device->free = 500;  // somebody else has come
  CHECK(fixture.runner.callSize(fixture.network, kLength) == 4);
  CHECK(fixture.runner.callSize(fixture.network, 2 * kLength) == 1);  // not measured yet
}

TEST_CASE("batches: on the CPU a batch of the plan is one call, whatever the memory") {
  Fixture fixture;
  BatchRunner runner(openCpuDevice(), 2, "toy");
  Work work(20);
  CHECK(runner.run(fixture.network, kShape, work.segments).largestCall == 20);
  CHECK(work.right());
}

TEST_CASE(
    "batches: without memory for a call it is halved, until it fits, and the result is whole") {
  Fixture fixture;
  Work first(1);
  fixture.runner.run(fixture.network, kShape, first.segments);
  fixture.device->fitting = 3;
  fixture.device->calls.clear();
  Work work(20);
  const BatchReport report = fixture.runner.run(fixture.network, kShape, work.segments);
  CHECK(work.right());
  CHECK(fixture.device->calls == std::vector<int64_t>{20, 10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2});
  CHECK(fixture.device->reclaimed == 3);
  CHECK(report.shrunkTo == 2);
  CHECK(report.onCpu == 0);
}

TEST_CASE("batches: what was too much is tried again after a while") {
  Fixture fixture;
  Work first(1);
  fixture.runner.run(fixture.network, kShape, first.segments);
  fixture.device->fitting = 3;
  Work short_(4);
  fixture.runner.run(fixture.network, kShape, short_.segments);
  CHECK(fixture.runner.callSize(fixture.network, kLength) == 2);
  fixture.device->fitting = 1000;
  Work work(60);
  CHECK(fixture.runner.run(fixture.network, kShape, work.segments).largestCall > 2);
  CHECK(work.right());
}

TEST_CASE("batches: what does not fit alone runs on the CPU, and the next is tried anew") {
  Fixture fixture;
  fixture.device->fitting = 0;
  Work work(3);
  const BatchReport report = fixture.runner.run(fixture.network, kShape, work.segments);
  CHECK(work.right());
  CHECK(report.onCpu == 3);
  CHECK(report.shrunkTo == 1);
  CHECK(fixture.device->calls == std::vector<int64_t>{1, 1, 1});

  fixture.device->fitting = 1;
  Work next(3);
  CHECK(fixture.runner.run(fixture.network, kShape, next.segments).onCpu == 0);
  CHECK(next.right());
}

TEST_CASE("batches: a lack of memory is known by what libtorch's parts say of it") {
  Fixture fixture;
  for (const char* message :
       {"CUDA out of memory. Tried to allocate 2.00 GiB", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", "cuFFT error: CUFFT_ALLOC_FAILED",
        "CUDA error: out of memory"}) {
    fixture.device->fitting = 0;
    fixture.device->message = message;
    Work work(1);
    CHECK(fixture.runner.run(fixture.network, kShape, work.segments).onCpu == 1);
    CHECK(work.right());
  }
}

TEST_CASE(
    "batches: another failure of the device is the error of each segment, and not tried again") {
  Fixture fixture;
  Work first(1);
  fixture.runner.run(fixture.network, kShape, first.segments);
  fixture.device->fitting = 0;
  fixture.device->message = "CUDA error: an illegal memory access was encountered";
  fixture.device->calls.clear();
  Work work(4);
  const BatchReport report = fixture.runner.run(fixture.network, kShape, work.segments);
  CHECK(fixture.device->calls == std::vector<int64_t>{4});
  CHECK(report.onCpu == 0);
  for (const Segment& segment : work.segments) {
    CHECK(codeOf(segment) == ErrorCode::kInferenceFailed);
  }
}

TEST_CASE("batches: stopped segments do not run, and one that fails harms no other") {
  Fixture fixture;
  const StopFlag stopped{true};
  Work work(3);
  work.segments[0].stop = &stopped;
  work.segments[1].take = [](const float*) { throw Error(ErrorCode::kOutputNotFinite, "NaN"); };
  fixture.runner.run(fixture.network, kShape, work.segments);
  CHECK(codeOf(work.segments[0]) == ErrorCode::kAborted);
  CHECK(codeOf(work.segments[1]) == ErrorCode::kOutputNotFinite);
  CHECK(work.results[2] == std::vector<float>{3, 6});
  CHECK(fixture.device->calls == std::vector<int64_t>{1, 1});
}
