#include "plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "error.h"

using oxboard::Batch;
using oxboard::Chunk;
using oxboard::Plan;
using oxboard::PlanOptions;

namespace {

PlanOptions fixedLength(int64_t length) {
  PlanOptions options;
  options.length = length;
  options.networkLength = 100;
  options.minLength = 100;
  options.segment = 100;
  options.memberWeights = {{1, 1}};
  options.sources = {0, 1};
  options.shiftOffsets = {{}};
  return options;
}

std::vector<Batch> allBatches(const Plan& plan) {
  std::vector<Batch> batches;
  for (int64_t group = 0; group < plan.groups(); ++group) {
    for (const Batch& batch : plan.group(group)) batches.push_back(batch);
  }
  return batches;
}

/** Sums of all frame weights over the song; 1 everywhere in a right plan. */
std::vector<double> coverage(const Plan& plan) {
  std::vector<double> sums(plan.options().length, 0.0);
  for (const Batch& batch : allBatches(plan)) {
    for (const Chunk& chunk : batch.chunks) {
      const std::vector<float> weights = plan.frameWeights(chunk);
      const double share = plan.sourceWeight(batch.member, plan.options().sources.front());
      for (int64_t i = 0; i < chunk.length; ++i) {
        if (chunk.start + i >= 0) sums[chunk.start + i] += weights[i] * share;
      }
    }
  }
  return sums;
}

}  // namespace

TEST_CASE("plan: stride and chunk starts are those of apply_model") {
  PlanOptions options = fixedLength(1000);
  options.networkLength = options.minLength = options.segment = 343980;
  options.length = 343980 * 2;
  CHECK(Plan(options).stride() == 257985);
  options.networkLength = options.segment = 1940400;
  options.minLength = 1;
  CHECK(Plan(options).stride() == 1455300);
}

TEST_CASE("plan: the last chunk may lie wholly inside the one before it") {
  const Plan plan(fixedLength(80));
  // range(0, 80, 75): a second chunk of 5 frames, although the first one covers the song.
  CHECK(plan.totalChunks() == 2);
  const std::vector<Batch> batches = allBatches(plan);
  CHECK(batches[1].chunks[0].start == 75);
  CHECK(batches[1].chunks[0].length == 5);
}

TEST_CASE("plan: a fixed-length network reads real neighbours around a short chunk, centred") {
  const Plan plan(fixedLength(180));
  const Chunk last = allBatches(plan).back().chunks.front();
  CHECK(last.start == 150);
  CHECK(last.length == 30);
  CHECK(last.inputLength == 100);
  CHECK(last.inputStart == 115);  // 150 - (100 - 30) / 2
  CHECK(last.zeroTail == 0);
}

TEST_CASE("plan: an odd difference puts the larger part to the right") {
  const Plan plan(fixedLength(181));
  const Chunk last = allBatches(plan).back().chunks.front();
  CHECK(last.length == 31);
  CHECK(last.inputStart == 150 - 34);
}

TEST_CASE("plan: a user's segment is filled up with zeros for a fixed-length network") {
  PlanOptions options = fixedLength(130);
  options.segment = 60;
  const Plan plan(options);
  for (const Batch& batch : allBatches(plan)) {
    CHECK(batch.chunks.front().inputLength == 60);
    CHECK(batch.chunks.front().zeroTail == 40);
  }
}

TEST_CASE("plan: a network of any length runs a short chunk at its own length") {
  PlanOptions options = fixedLength(180);
  options.minLength = 1;
  const Chunk last = allBatches(Plan(options)).back().chunks.front();
  CHECK(last.inputLength == 30);
  CHECK(last.inputStart == 150);
}

TEST_CASE("plan: below the shortest length a chunk is extended with its neighbours") {
  PlanOptions options = fixedLength(155);
  options.minLength = 20;
  const Chunk last = allBatches(Plan(options)).back().chunks.front();
  CHECK(last.length == 5);
  CHECK(last.inputLength == 20);
  CHECK(last.inputStart == 143);
}

TEST_CASE("plan: weights of all chunks sum to one at every frame") {
  for (const double overlap : {0.0, 0.1, 0.25, 0.5, 0.9, 0.99}) {
    for (const int64_t length : {1, 2, 74, 75, 76, 100, 101, 230, 1000}) {
      for (const double power : {1.0, 2.0, 10.0}) {
        PlanOptions options = fixedLength(length);
        options.overlap = overlap;
        options.transitionPower = power;
        options.memberWeights = {{1, 0}, {3, 1}};
        options.shiftOffsets = {{0, 7, 10}, {3, 10, 1}};
        options.maxShift = 10;
        const std::vector<double> sums = coverage(Plan(options));
        const auto [low, high] = std::minmax_element(sums.begin(), sums.end());
        INFO("overlap ", overlap, " length ", length, " power ", power);
        CHECK(*low == doctest::Approx(1).epsilon(1e-5));
        CHECK(*high == doctest::Approx(1).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("plan: the window is the triangle of apply_model") {
  PlanOptions options = fixedLength(5);
  options.networkLength = options.minLength = options.segment = 5;
  options.overlap = 0;
  // One chunk: its weights are the window over itself.
  const Plan single(options);
  for (const float weight : single.frameWeights(allBatches(single)[0].chunks[0])) {
    CHECK(weight == 1);
  }
  // Two chunks with stride 3: window 1 2 3 2 1, so frame 3 is shared by 2 and 1.
  options.length = 8;
  options.overlap = 0.4;
  const Plan plan(options);
  REQUIRE(plan.stride() == 3);
  const std::vector<float> weights = plan.frameWeights(allBatches(plan)[0].chunks[0]);
  CHECK(weights[2] == 1);
  CHECK(weights[3] == doctest::Approx(2.0 / 3));
  CHECK(weights[4] == doctest::Approx(1.0 / 3));
}

TEST_CASE("plan: a shift starts before the song and stays at its offset") {
  PlanOptions options = fixedLength(100);
  options.shiftOffsets = {{3}};
  options.maxShift = 10;
  const Plan plan(options);
  CHECK(plan.passes()[0].start == -7);
  CHECK(allBatches(plan)[0].chunks[0].start == -7);
  CHECK(allBatches(plan)[0].chunks[0].length == 100);
}

TEST_CASE("plan: members without weight for the requested sources are not run") {
  PlanOptions options = fixedLength(500);
  options.memberWeights = {{1, 0}, {0, 1}};
  options.shiftOffsets = {{}, {}};
  options.sources = {1};
  for (const Batch& batch : allBatches(Plan(options))) CHECK(batch.member == 1);
}

TEST_CASE("plan: batches hold one member and one input length, and every chunk comes once") {
  PlanOptions options = fixedLength(950);
  options.memberWeights = {{1, 1}, {1, 1}};
  options.shiftOffsets = {{1, 2}, {3, 4}};
  options.maxShift = 10;
  options.minLength = 1;
  options.batchSize = 4;
  const Plan plan(options);
  std::set<std::pair<int, int64_t>> seen;
  for (const Batch& batch : allBatches(plan)) {
    CHECK(batch.chunks.size() <= 4);
    for (const Chunk& chunk : batch.chunks) {
      CHECK(plan.passes()[chunk.pass].member == batch.member);
      CHECK(chunk.inputLength == batch.chunks.front().inputLength);
      CHECK(seen.emplace(chunk.pass, chunk.index).second);
    }
  }
  CHECK(static_cast<int64_t>(seen.size()) == plan.totalChunks());
}

TEST_CASE("plan: frames are final only when no later chunk touches them") {
  for (const int batchSize : {1, 3, 8}) {
    PlanOptions options = fixedLength(777);
    options.overlap = 0.5;
    options.shiftOffsets = {{0, 9}};
    options.maxShift = 10;
    options.batchSize = batchSize;
    const Plan plan(options);
    for (int64_t group = 0; group < plan.groups(); ++group) {
      const int64_t final = plan.finalAfter(group);
      for (int64_t later = group + 1; later < plan.groups(); ++later) {
        for (const Batch& batch : plan.group(later)) {
          for (const Chunk& chunk : batch.chunks) {
            CHECK(std::max<int64_t>(chunk.start, 0) >= final);
            CHECK(std::max<int64_t>(chunk.inputStart, 0) >= plan.firstFrameRead(later));
            CHECK(plan.firstFrameRead(later) >= plan.firstFrameRead(group));
          }
        }
      }
    }
    CHECK(plan.finalAfter(plan.groups() - 1) == 777);
  }
}

TEST_CASE("plan: contradictions are refused") {
  PlanOptions options = fixedLength(100);
  options.segment = 101;
  CHECK_THROWS_AS(Plan{options}, oxboard::Error);
  options = fixedLength(0);
  CHECK_THROWS_AS(Plan{options}, oxboard::Error);
  options = fixedLength(100);
  options.overlap = 1;
  CHECK_THROWS_AS(Plan{options}, oxboard::Error);
  options = fixedLength(100);
  options.overlap = 0.999;
  CHECK_THROWS_AS(Plan{options}, oxboard::Error);
}
