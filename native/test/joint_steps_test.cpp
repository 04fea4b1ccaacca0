// Sessions of one model on a device that shares its calls.
#include "joint_steps.h"

#include <limits>

#include "doctest_with_torch.h"
#include "error.h"
#include "failing_device.h"
#include "session.h"
#include "toy_model.h"

using namespace oxboard;
using oxboard::testing::FailingDevice;
using oxboard::testing::kIdentity;
using oxboard::testing::ToyFile;
using oxboard::testing::toyModel;

namespace {

/** A session of a song of one value, with its audio pushed. */
std::shared_ptr<Session> session(const std::shared_ptr<const Model>& model, float value,
                                 int64_t length = 300, int batchSize = 4) {
  PlanOptions plan;
  plan.length = length;
  plan.networkLength = plan.segment = 100;
  plan.minLength = model->description().minLength;
  plan.overlap = 0;
  plan.memberWeights = {{1, 1}};
  plan.sources = {0, 1};
  plan.shiftOffsets = {{}};
  plan.batchSize = batchSize;
  auto made = std::make_shared<Session>(model, plan, SongStatistics{0, 1, false});
  const std::vector<float> samples(length, value);
  REQUIRE(made->push({samples.data(), samples.data()}, length));
  return made;
}

float firstSample(const Session& session, int source) {
  std::vector<float> left(session.framesReady());
  std::vector<float> right(session.framesReady());
  session.copyReady(source, session.framesReady(), {left.data(), right.data()});
  return left.at(0);
}

struct Fixture {
  ToyFile file{kIdentity};
  std::shared_ptr<FailingDevice> device = std::make_shared<FailingDevice>();
  std::shared_ptr<const Model> model = toyModel({&file}, {}, 100, device);
  JointSteps steps;

  /** Has the network measured, so that calls may be larger than one segment. */
  Fixture() {
    session(model, 1, 100)->step();
    device->calls.clear();
  }
};

}  // namespace

TEST_CASE("joint steps: songs that wait go through the network in one call, each to its own end") {
  Fixture fixture;
  const auto one = session(fixture.model, 1);
  const auto two = session(fixture.model, 2);
  const auto first = fixture.steps.announce(one);
  const auto second = fixture.steps.announce(two);
  CHECK(fixture.steps.run(first).largestCall == 6);
  CHECK(fixture.steps.run(second).largestCall == 0);
  CHECK(fixture.device->calls == std::vector<int64_t>{6});
  CHECK(one->done());
  CHECK(two->done());
  CHECK(firstSample(*one, 0) == doctest::Approx(1));
  CHECK(firstSample(*two, 0) == doctest::Approx(2));
  CHECK(firstSample(*two, 1) == doctest::Approx(4));
}

TEST_CASE("joint steps: what does not fit into the call waits for its own turn") {
  Fixture fixture;
  fixture.device->free = 5;  // four fifths of it: four segments
  const auto first = fixture.steps.announce(session(fixture.model, 1));
  const auto second = fixture.steps.announce(session(fixture.model, 2));
  const auto third = fixture.steps.announce(session(fixture.model, 3, 100));
  fixture.steps.run(first);
  fixture.steps.run(second);
  fixture.steps.run(third);
  CHECK(fixture.device->calls == std::vector<int64_t>{4, 3});
}

TEST_CASE("joint steps: another length goes through the network on its own") {
  Fixture fixture;
  const auto model = toyModel({&fixture.file}, {}, 1, fixture.device);
  session(model, 1, 100)->step();
  fixture.device->calls.clear();
  JointSteps steps;
  const auto first = steps.announce(session(model, 1, 200));
  const auto second = steps.announce(session(model, 2, 50));
  steps.run(first);
  steps.run(second);
  CHECK(fixture.device->calls == std::vector<int64_t>{2, 1});
}

TEST_CASE("joint steps: a song that is stopped, gone or broken leaves the others alone") {
  Fixture fixture;
  const auto good = session(fixture.model, 1);
  const auto stopped = session(fixture.model, 2);
  const auto broken = session(fixture.model, std::numeric_limits<float>::quiet_NaN());
  const auto first = fixture.steps.announce(good);
  const auto second = fixture.steps.announce(stopped);
  const auto third = fixture.steps.announce(broken);
  auto gone = fixture.steps.announce(session(fixture.model, 4));
  const auto withdrawn = fixture.steps.announce(session(fixture.model, 5));
  gone.reset();
  CHECK(fixture.steps.withdraw(withdrawn));
  stopped->stop();
  fixture.steps.run(first);
  CHECK(fixture.device->calls == std::vector<int64_t>{6});
  CHECK(firstSample(*good, 0) == doctest::Approx(1));
  CHECK_FALSE(fixture.steps.withdraw(second));
  CHECK_THROWS_WITH(fixture.steps.run(second), "stopped");
  try {
    fixture.steps.run(third);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutputNotFinite);
  }
}

TEST_CASE("joint steps: without memory for all of them the songs come through nevertheless") {
  Fixture fixture;
  fixture.device->fitting = 0;
  const auto one = session(fixture.model, 1);
  const auto two = session(fixture.model, 2);
  const auto first = fixture.steps.announce(one);
  const auto second = fixture.steps.announce(two);
  const BatchReport report = fixture.steps.run(first);
  fixture.steps.run(second);
  CHECK(report.onCpu == 6);
  CHECK(report.shrunkTo == 1);
  CHECK(firstSample(*one, 1) == doctest::Approx(2));
  CHECK(firstSample(*two, 1) == doctest::Approx(4));
}

TEST_CASE("joint steps: on the CPU every song goes alone") {
  const ToyFile file(kIdentity);
  const auto model = toyModel({&file});
  JointSteps steps;
  const auto first = steps.announce(session(model, 1));
  const auto two = session(model, 2);
  const auto second = steps.announce(two);
  CHECK(steps.run(first).largestCall == 3);
  CHECK_FALSE(two->done());
  CHECK(steps.run(second).largestCall == 3);
}
