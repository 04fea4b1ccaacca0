#include "session.h"

#include <chrono>
#include <cmath>
#include <thread>

#include "doctest_with_torch.h"
#include "error.h"
#include "toy_model.h"

using namespace oxboard;
using oxboard::testing::kIdentity;
using oxboard::testing::ToyFile;
using oxboard::testing::toyModel;

namespace {

using Audio = std::vector<std::vector<float>>;  // one row per channel

Audio song(int64_t frames) {
  Audio audio(2, std::vector<float>(frames));
  for (int64_t f = 0; f < frames; ++f) {
    audio[0][f] = std::sin(0.1f * static_cast<float>(f)) + 0.2f;
    audio[1][f] = std::cos(0.037f * static_cast<float>(f));
  }
  return audio;
}

PlanOptions options(int64_t length) {
  PlanOptions plan;
  plan.length = length;
  plan.networkLength = plan.segment = plan.minLength = 100;
  plan.memberWeights = {{1, 1}};
  plan.sources = {0, 1};
  plan.shiftOffsets = {{}};
  plan.maxShift = 50;
  return plan;
}

const SongStatistics kStatistics{0.1, 0.7, false};

/** Runs a session to its end, feeding blocks of `block` frames; rows are (source, channel). */
Audio runSession(Session& session, const Audio& audio, int64_t block = 37) {
  const int64_t length = static_cast<int64_t>(audio[0].size());
  Audio result(session.plan().options().sources.size() * audio.size());
  int64_t pushed = session.inputStart();
  int64_t largestReady = 0;
  while (true) {
    while (session.framesWanted() > 0) {
      const int64_t count = std::min(block, length - pushed);
      REQUIRE(session.push({audio[0].data() + pushed, audio[1].data() + pushed}, count));
      pushed += count;
    }
    if (!session.done()) session.step();
    const int64_t ready = session.framesReady();
    largestReady = std::max(largestReady, ready);
    for (size_t source = 0; source < result.size() / 2; ++source) {
      Audio rows(2, std::vector<float>(ready));
      session.copyReady(static_cast<int>(source), ready, {rows[0].data(), rows[1].data()});
      for (size_t channel = 0; channel < 2; ++channel) {
        auto& row = result[source * 2 + channel];
        row.insert(row.end(), rows[channel].begin(), rows[channel].end());
      }
    }
    session.dropReady(ready);
    if (session.done()) break;
  }
  return result;
}

double largestDifference(const std::vector<float>& a, const std::vector<float>& b, float factor) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - factor * b[i]));
  }
  return largest;
}

ErrorCode codeOf(Session& session, const Audio& audio) {
  try {
    runSession(session, audio);
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("no error");
  return ErrorCode::kInternal;
}

}  // namespace

TEST_CASE("session: an identity network gives the song back, whatever the cutting") {
  const ToyFile file(kIdentity);
  for (const int64_t minLength : {100, 1}) {
    for (const int64_t length : {1, 2, 50, 99, 100, 101, 175, 176, 430}) {
      for (const double overlap : {0.0, 0.1, 0.25, 0.5, 0.9}) {
        for (const int batchSize : {1, 3}) {
          const Audio audio = song(length);
          PlanOptions plan = options(length);
          plan.minLength = minLength;
          plan.overlap = overlap;
          plan.batchSize = batchSize;
          Session session(toyModel({&file}, {}, minLength), plan, {0, 0.7, false});
          const Audio stems = runSession(session, audio);
          INFO("length ", length, " overlap ", overlap, " batch ", batchSize);
          CHECK(largestDifference(stems[0], audio[0], 1) < 1e-5);
          CHECK(largestDifference(stems[1], audio[1], 1) < 1e-5);
          CHECK(largestDifference(stems[2], audio[0], 2) < 1e-5);
          CHECK(session.chunksDone() == session.chunksTotal());
        }
      }
    }
  }
}

TEST_CASE("session: the mean is added to every stem, as in Python") {
  const ToyFile file(kIdentity);
  const Audio audio = song(230);
  Session session(toyModel({&file}), options(230), kStatistics);
  const Audio stems = runSession(session, audio);
  // Source 1 doubles the normalised song: 2 (x - m) + m.
  double largest = 0;
  for (size_t f = 0; f < 230; ++f) {
    largest = std::max(largest, std::fabs(stems[2][f] - (2.0 * audio[0][f] - 0.1)));
  }
  CHECK(largest < 1e-5);
}

TEST_CASE("session: shifts and segments do not change an identity") {
  const ToyFile file(kIdentity);
  const Audio audio = song(333);
  PlanOptions plan = options(333);
  plan.shiftOffsets = {{0, 17, 50}};
  plan.segment = 61;
  plan.batchSize = 2;
  Session session(toyModel({&file}), plan, {0, 1, false});
  CHECK(largestDifference(runSession(session, audio)[0], audio[0], 1) < 1e-5);
}

TEST_CASE("session: resumed anywhere, what follows is the same to the bit") {
  const ToyFile file(kIdentity);
  const Audio audio = song(530);
  for (const int64_t minLength : {100, 1}) {
    for (const double overlap : {0.0, 0.25, 0.9}) {
      for (const int batchSize : {1, 3}) {
        for (const bool shifted : {false, true}) {
          PlanOptions plan = options(530);
          plan.minLength = minLength;
          plan.overlap = overlap;
          plan.batchSize = batchSize;
          if (shifted) plan.shiftOffsets = {{0, 17, 50}};
          const auto model = toyModel({&file}, {}, minLength);
          Session undisturbed(model, plan, kStatistics);
          const Audio whole = runSession(undisturbed, audio);
          for (const int64_t from : {1, 74, 75, 76, 99, 100, 300, 455, 529, 530}) {
            plan.resumeFrom = from;
            Session resumed(model, plan, kStatistics);
            CHECK(resumed.chunksDone() <= resumed.chunksTotal());
            const Audio rest = runSession(resumed, audio);
            INFO("from ", from, " overlap ", overlap, " batch ", batchSize, " shifts ", shifted);
            for (size_t row = 0; row < whole.size(); ++row) {
              CHECK(rest[row] == std::vector<float>(whole[row].begin() + from, whole[row].end()));
            }
            CHECK(resumed.chunksDone() == resumed.chunksTotal());
          }
        }
      }
    }
  }
}

TEST_CASE("session: resuming runs only chunks that reach beyond what is there") {
  const ToyFile file(kIdentity);
  PlanOptions plan = options(1000);
  plan.resumeFrom = 700;  // chunks begin every 75 frames: that of 600 ends there, 675 reaches on
  Session session(toyModel({&file}), plan, kStatistics);
  CHECK(session.inputStart() == 675);
  CHECK(session.chunksDone() == 9);
}

TEST_CASE("session: a short chunk of a fixed-length network reads its real neighbours") {
  // The network answers with the first sample of its input, so the stem shows where it read.
  const ToyFile file(
      "def forward(self, x):\n"
      "  y = x[:, :, :1].expand(x.size(0), x.size(1), x.size(2))\n"
      "  return torch.stack([y, y], dim=1)\n");
  const Audio audio = song(180);
  PlanOptions plan = options(180);
  plan.overlap = 0;
  Session session(toyModel({&file}), plan, {0, 1, false});
  const Audio stems = runSession(session, audio);
  CHECK(stems[0][0] == doctest::Approx(audio[0][0]));
  CHECK(stems[0][179] == doctest::Approx(audio[0][90]));  // 100 - (100 - 80) / 2
}

TEST_CASE("session: a network of any length sees a short chunk at its own length") {
  const ToyFile file(
      "def forward(self, x):\n"
      "  y = torch.full_like(x, float(x.size(2)))\n"
      "  return torch.stack([y, y], dim=1)\n");
  PlanOptions plan = options(130);
  plan.minLength = 1;
  plan.overlap = 0;
  Session session(toyModel({&file}, {}, 1), plan, {0, 1, false});
  const Audio stems = runSession(session, song(130));
  CHECK(stems[0][0] == doctest::Approx(100));
  CHECK(stems[0][129] == doctest::Approx(30));
}

TEST_CASE("session: bags weigh their members per source and skip those that nobody needs") {
  const ToyFile one("def forward(self, x):\n  return torch.ones(x.size(0), 2, 2, x.size(2))\n");
  const ToyFile five(
      "def forward(self, x):\n  return 5 * torch.ones(x.size(0), 2, 2, x.size(2))\n");
  const ToyFile broken("def forward(self, x):\n  assert False, 'ran'\n  return x\n");
  PlanOptions plan = options(150);
  plan.memberWeights = {{1, 0}, {3, 1}, {0, 0}};
  plan.shiftOffsets = {{}, {}, {}};
  Session session(toyModel({&one, &five, &broken}, plan.memberWeights), plan, {0, 1, false});
  CHECK(session.nextMember() == 0);
  const Audio stems = runSession(session, song(150));
  CHECK(stems[0][70] == doctest::Approx((1 * 1 + 3 * 5) / 4.0));
  CHECK(stems[2][70] == doctest::Approx(5));
}

TEST_CASE("session: overlap-add sums segments as they come, and resumes to the same bit") {
  constexpr int64_t kOverlap = 30;
  constexpr int64_t kLead = 40;
  // Neighbors fade into each other, so that their plain sum is the song.
  at::Tensor fade = at::ones({100});
  const at::Tensor ramp = (at::arange(kOverlap) + 1) / static_cast<double>(kOverlap + 1);
  fade.slice(0, 0, kOverlap).copy_(ramp);
  fade.slice(0, 100 - kOverlap, 100).copy_(ramp.flip(0));
  const ToyFile file(
      "def forward(self, x):\n  y = x * self.fade\n  return torch.stack([y, 2 * y], dim=1)\n",
      {{"fade", fade}});
  const auto model = toyModel({&file});
  for (const int64_t length : {1, 29, 60, 61, 100, 431}) {
    for (const bool shifted : {false, true}) {
      PlanOptions plan = options(length);
      plan.overlapAdd = OverlapAdd{kOverlap, kLead};
      plan.batchSize = 3;
      if (shifted) plan.shiftOffsets = {{3, 50, 0}};
      const Audio audio = song(length);
      Session whole(model, plan, SongStatistics{0, 1, false});
      const Audio stems = runSession(whole, audio);
      CAPTURE(length);
      CAPTURE(shifted);
      for (size_t row = 0; row < stems.size(); ++row) {
        CHECK(largestDifference(stems[row], audio[row % 2], row < 2 ? 1 : 2) < 1e-5);
      }
      plan.resumeFrom = length / 2;
      Session resumed(model, plan, SongStatistics{0, 1, false});
      const Audio rest = runSession(resumed, audio);
      for (size_t row = 0; row < stems.size(); ++row) {
        const std::vector<float> expected(stems[row].begin() + plan.resumeFrom, stems[row].end());
        CHECK(rest[row] == expected);
      }
    }
  }
}

TEST_CASE("session: silence gives silence and runs nothing") {
  const ToyFile broken("def forward(self, x):\n  assert False, 'ran'\n  return x\n");
  Session session(toyModel({&broken}), options(1000), {0, 0, true});
  CHECK(session.done());
  CHECK(session.framesReady() == 1000);
  std::vector<float> left(1000, 9);
  std::vector<float> right(1000, 9);
  session.copyReady(1, 1000, {left.data(), right.data()});
  CHECK(left == std::vector<float>(1000, 0));
  CHECK(right == std::vector<float>(1000, 0));
}

TEST_CASE("session: NaN in an output is an error that names the segment") {
  const ToyFile file(
      "def forward(self, x):\n"
      "  y = torch.where(x > 100, x * float('nan'), x)\n"
      "  return torch.stack([y, y], dim=1)\n");
  Audio audio = song(300);
  audio[1][160] = 1000;
  Session session(toyModel({&file}), options(300), {0, 1, false});
  try {
    runSession(session, audio);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutputNotFinite);
    const std::string message = error.what();
    CHECK(message.find("segment 2") != std::string::npos);
  }
}

TEST_CASE("session: NaN in a source that nobody asked for does no harm") {
  const ToyFile file("def forward(self, x):\n  return torch.stack([x, x * float('nan')], dim=1)\n");
  PlanOptions plan = options(300);
  plan.sources = {0};
  Session session(toyModel({&file}), plan, {0, 1, false});
  CHECK(largestDifference(runSession(session, song(300))[0], song(300)[0], 1) < 1e-5);
}

TEST_CASE("session: networks that do not do what the archive says are refused") {
  const ToyFile wrongShape("def forward(self, x):\n  return x\n");
  const ToyFile wrongType("def forward(self, x):\n  return torch.stack([x, x], dim=1).double()\n");
  const ToyFile raises("def forward(self, x):\n  return x.view(7)\n");
  Session shape(toyModel({&wrongShape}), options(150), kStatistics);
  CHECK(codeOf(shape, song(150)) == ErrorCode::kModelInvalid);
  Session type(toyModel({&wrongType}), options(150), kStatistics);
  CHECK(codeOf(type, song(150)) == ErrorCode::kModelInvalid);
  Session error(toyModel({&raises}), options(150), kStatistics);
  CHECK(codeOf(error, song(150)) == ErrorCode::kInferenceFailed);
}

TEST_CASE("session: out of memory has its own code") {
  const ToyFile file(
      "def forward(self, x):\n"
      "  y = torch.empty([1 << 50])\n"
      "  return torch.stack([x, x], dim=1) + y[:1]\n");
  Session session(toyModel({&file}), options(150), kStatistics);
  CHECK(codeOf(session, song(150)) == ErrorCode::kOutOfMemory);
}

TEST_CASE("session: a stop ends a running step within one operator, and the model stays good") {
  const ToyFile slow(
      "def forward(self, x):\n"
      "  y = x\n"
      "  for i in range(100000000):\n"
      "    y = y + 1\n"
      "  return torch.stack([y, y], dim=1)\n");
  const auto model = toyModel({&slow});
  Session session(model, options(150), kStatistics);
  const Audio audio = song(150);
  REQUIRE(session.push({audio[0].data(), audio[1].data()}, 150));
  std::chrono::steady_clock::time_point stopped;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stopped = std::chrono::steady_clock::now();
    session.stop();
  });
  ErrorCode code = ErrorCode::kInternal;
  try {
    session.step();
  } catch (const Error& error) {
    code = error.code();
  }
  stopper.join();
  CHECK(code == ErrorCode::kAborted);
  CHECK(std::chrono::steady_clock::now() - stopped < std::chrono::milliseconds(500));

  const ToyFile file(kIdentity);
  Session next(toyModel({&file}), options(150), {0, 1, false});
  CHECK(largestDifference(runSession(next, audio)[0], audio[0], 1) < 1e-5);
}

TEST_CASE("session: misuse is an error, not a crash") {
  const ToyFile file(kIdentity);
  Session session(toyModel({&file}), options(150), kStatistics);
  CHECK_THROWS_AS(session.step(), Error);  // no audio yet
  const Audio audio = song(200);
  CHECK_FALSE(session.push({audio[0].data(), audio[1].data()}, 200));
  CHECK_FALSE(session.push({audio[0].data()}, 100));
  CHECK(session.push({audio[0].data(), audio[1].data()}, 150));
}
