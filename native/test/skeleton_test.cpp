#include "skeleton.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <torch/script.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "cpu_allocator.h"
#include "error.h"

using namespace oxboard;

namespace {

constexpr int64_t kGroups = 700;
constexpr int64_t kGroupSize = 4;
constexpr int64_t kRows = 14;  // rows * columns = groups * group size
constexpr int64_t kColumns = 200;
constexpr int kMinBits = 2;
constexpr double kMinimum = -0.731;
constexpr double kMaximum = 0.914;

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

/** Bytes of a file of weights, put together tensor by tensor. */
class Bytes {
 public:
  /** Appends and returns the place. */
  int64_t add(const void* data, size_t bytes) {
    const auto offset = static_cast<int64_t>(content_.size());
    content_.append(static_cast<const char*>(data), bytes);
    return offset;
  }

  StoredTensor add(const at::Tensor& tensor, Precision precision) {
    const int64_t offset = add(tensor.data_ptr(), tensor.nbytes());
    return {precision, offset, static_cast<int64_t>(tensor.nbytes())};
  }

  /** Packs as diffq.bitpack does, bit after bit. */
  PackedIntegers pack(const std::vector<int>& values, int64_t width, int64_t block = 32) {
    const int64_t perLine = 64 * block;
    const int64_t lines = (static_cast<int64_t>(values.size()) + perLine - 1) / perLine;
    std::vector<uint64_t> words(lines * width * block);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto index = static_cast<int64_t>(i);
      const int64_t within = index % perLine;
      for (int64_t bit = 0; bit < width; ++bit) {
        const uint64_t value = values[i] >> bit & 1;
        words[(index / perLine * width + bit) * block + within % block] |= value
                                                                           << (within / block);
      }
    }
    return {add(words.data(), words.size() * sizeof(uint64_t)), lines, width, block};
  }

  void save(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    std::fwrite(content_.data(), 1, content_.size(), file);
    std::fclose(file);
  }

 private:
  std::string content_ = "a header that the core never reads";
};

/** A skeleton with a parameter of each kind, its weights, and what they are once restored. */
struct Fixture {
  Fixture() {
    const std::string stem = "skeleton-" + std::to_string(getpid());
    task.skeleton = stem + ".pt";
    task.weights = stem + ".weights";
    task.out = stem + ".out";

    torch::jit::Module module("Skeleton");
    for (const char* name : {"half", "brain", "full"}) {
      module.register_parameter(name, at::zeros(1).expand({2, 3}), false);
    }
    module.register_parameter("packed", at::zeros(1).expand({kRows, kColumns}), false);
    module.define("def forward(self, x):\n  return x * self.half + self.brain + self.full\n");
    module.save(task.skeleton);

    at::manual_seed(0);
    expected["half"] = at::randn({2, 3}).to(at::kHalf);
    expected["brain"] = at::randn({2, 3}).to(at::kBFloat16);
    expected["full"] = at::randn({2, 3});
    task.parameters["half"] = bytes.add(expected["half"], Precision::kFloat16);
    task.parameters["brain"] = bytes.add(expected["brain"], Precision::kBFloat16);
    task.parameters["full"] = bytes.add(expected["full"], Precision::kFloat32);
    task.parameters["packed"] = quantise();
    bytes.save(task.weights);
  }

  ~Fixture() {
    for (const auto& path : {task.skeleton, task.weights, task.out}) std::remove(path.c_str());
  }

  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  QuantisedTensor quantise() {
    std::mt19937 random(1);
    std::vector<int> bits(kGroups);
    std::map<int, std::vector<int>> levels;
    at::Tensor weights = at::empty({kGroups * kGroupSize});
    auto* out = weights.data_ptr<float>();
    for (int& value : bits) {
      value = static_cast<int>(random() % 14) + kMinBits;
      const int steps = (1 << value) - 1;
      for (int64_t i = 0; i < kGroupSize; ++i) {
        levels[value].push_back(static_cast<int>(random() % (steps + 1)));
        const auto level = static_cast<float>(levels[value].back());
        const float unit = 1.0F / static_cast<float>(steps);
        const float scaled = level * unit * static_cast<float>(kMaximum - kMinimum);
        *out++ = scaled + static_cast<float>(kMinimum);
      }
      value -= kMinBits;
    }
    expected["packed"] = weights.view({kRows, kColumns});
    QuantisedTensor tensor{kGroupSize, bytes.pack(bits, 4), kMinBits, {}, kMinimum, kMaximum};
    for (const auto& [width, values] : levels) {
      tensor.levels.push_back({width, bytes.pack(values, width)});
    }
    return tensor;
  }

  StoredTensor& plain(const char* name) { return std::get<StoredTensor>(task.parameters[name]); }
  QuantisedTensor& packed() { return std::get<QuantisedTensor>(task.parameters["packed"]); }

  Bytes bytes;
  SkeletonTask task;
  std::map<std::string, at::Tensor> expected;
};

/** The code of the error that filling ends with; whatever was written is gone. */
ErrorCode failure(const SkeletonTask& task) {
  try {
    fillSkeleton(task);
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("it was filled");
  return ErrorCode::kInternal;
}

}  // namespace

TEST_CASE("a skeleton is filled with numbers of every kind") {
  Fixture fixture;
  const size_t inUse = cpuMemoryStats().inUse;
  fillSkeleton(fixture.task);
  CHECK(cpuMemoryStats().inUse == inUse);

  torch::jit::Module module = torch::jit::load(fixture.task.out);
  for (const auto& [name, weights] : fixture.expected) {
    INFO(name);
    const at::Tensor filled = module.attr(name).toTensor();
    CHECK(filled.is_contiguous());
    if (name == "packed") {
      CHECK(at::allclose(filled, weights, 1e-6, 1e-7));
    } else {
      CHECK(at::equal(filled, weights.to(at::kFloat)));
    }
  }
  const at::Tensor x = at::randn({2, 3});
  CHECK(at::equal(module.forward({x}).toTensor(), x * fixture.expected["half"].to(at::kFloat) +
                                                      fixture.expected["brain"] +
                                                      fixture.expected["full"]));
}

TEST_CASE("a graph given as source is compiled, filled and saved as a network file") {
  Fixture fixture;
  SkeletonTask task = fixture.task;
  task.skeleton.clear();
  task.parameters.erase("packed");
  task.parameters.erase("brain");
  task.shapes = {{"half", {3, 2}}, {"full", {2, 3}}};
  task.script =
      "def scaled(self, x, weight: Tensor):\n"
      "  return x * weight.permute([1, 0]).contiguous()\n"
      "def forward(self, x):\n"
      "  return self.scaled(x, self.half) + self.full\n";
  fillSkeleton(task);
  torch::jit::Module module = torch::jit::load(task.out);
  module.eval();
  const at::Tensor x = at::randn({2, 3});
  const at::Tensor half = fixture.expected["half"].to(at::kFloat).view({3, 2}).t();
  CHECK(at::equal(torch::jit::freeze(module).forward({x}).toTensor(),
                  x * half + fixture.expected["full"]));

  std::remove(task.out.c_str());
  task.script = "def forward(self, x):\n  return self.missing\n";
  CHECK(failure(task) == ErrorCode::kModelInvalid);
  task.script = "no source";
  CHECK(failure(task) == ErrorCode::kModelInvalid);
}

TEST_CASE("weights that are not the skeleton's are refused, and nothing is left behind") {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  const std::map<std::string, std::function<void(Fixture&)>> damages = {
      {"a parameter without weights", [](Fixture& f) { f.task.parameters.erase("full"); }},
      {"weights without a parameter",
       [](Fixture& f) { f.task.parameters["more"] = f.plain("full"); }},
      {"before the file", [](Fixture& f) { f.plain("half").offset = -1; }},
      {"far beyond the file", [](Fixture& f) { f.plain("half").offset = kHuge; }},
      {"half beyond the file", [](Fixture& f) { truncate(f.task.weights.c_str(), 40); }},
      {"more bytes than the shape has", [](Fixture& f) { f.plain("full").bytes = kHuge - 3; }},
      {"fewer bytes", [](Fixture& f) { f.plain("full").bytes = 20; }},
      {"no whole number of items", [](Fixture& f) { f.plain("full").bytes = 23; }},
      {"a negative number of bytes", [](Fixture& f) { f.plain("full").bytes = -24; }},
      {"another precision", [](Fixture& f) { f.plain("full").precision = Precision::kFloat16; }},
      {"groups of nothing", [](Fixture& f) { f.packed().groupSize = 0; }},
      {"groups of less", [](Fixture& f) { f.packed().groupSize = -4; }},
      {"groups that do not fill the tensor", [](Fixture& f) { f.packed().groupSize = 3; }},
      {"groups of too many bits", [](Fixture& f) { f.packed().minBits = 3; }},
      {"groups of no bits", [](Fixture& f) { f.packed().minBits = -1; }},
      {"too few lines", [](Fixture& f) { f.packed().groupBits.lines = 0; }},
      {"endless lines", [](Fixture& f) { f.packed().levels[0].packed.lines = kHuge; }},
      {"no blocks", [](Fixture& f) { f.packed().groupBits.block = 0; }},
      {"endless blocks", [](Fixture& f) { f.packed().groupBits.block = kHuge; }},
      {"negative blocks", [](Fixture& f) { f.packed().groupBits.block = -32; }},
      {"integers too wide", [](Fixture& f) { f.packed().levels[0].packed.width = 16; }},
      {"integers of negative width", [](Fixture& f) { f.packed().levels[0].packed.width = -1; }},
      {"levels beyond the file", [](Fixture& f) { f.packed().levels[0].packed.offset = 1 << 20; }},
      {"levels before the file", [](Fixture& f) { f.packed().levels[0].packed.offset = -8; }},
      {"groups without levels", [](Fixture& f) { f.packed().levels.pop_back(); }},
      {"levels without groups",
       [](Fixture& f) {
         f.packed().levels.push_back({1, f.packed().levels[0].packed});
       }},
      {"levels twice", [](Fixture& f) { f.packed().levels.push_back(f.packed().levels[0]); }},
      {"levels of impossible bits", [](Fixture& f) { f.packed().levels[0].bits = 1 << 20; }},
      {"levels of negative bits", [](Fixture& f) { f.packed().levels[0].bits = -1; }},
      {"no file", [](Fixture& f) { std::remove(f.task.weights.c_str()); }},
      {"a folder", [](Fixture& f) { f.task.weights = "."; }},
      {"a pipe",
       [](Fixture& f) {
         std::remove(f.task.weights.c_str());
         mkfifo(f.task.weights.c_str(), 0600);
       }},
      {"a skeleton that is none", [](Fixture& f) { f.task.skeleton = f.task.weights; }},
  };
  for (const auto& [name, damage] : damages) {
    INFO(name);
    Fixture fixture;
    damage(fixture);
    CHECK(failure(fixture.task) == ErrorCode::kModelInvalid);
    CHECK_FALSE(exists(fixture.task.out));
  }
}

TEST_CASE("whatever numbers describe the packed weights, there is an answer") {
  Fixture fixture;
  const WeightsFile file(fixture.task.weights);
  std::mt19937_64 random(7);
  const auto number = [&](int64_t honest) -> int64_t {
    switch (random() % 6) {
      case 0:
        return static_cast<int64_t>(random());
      case 1:
        return static_cast<int64_t>(random() % 100) - 20;
      case 2:
        return int64_t{1} << random() % 63;
      default:
        return honest;
    }
  };
  int refused = 0;
  constexpr int kRounds = 3000;
  for (int round = 0; round < kRounds; ++round) {
    QuantisedTensor tensor = fixture.packed();
    const auto damage = [&](PackedIntegers& packed) {
      packed = {number(packed.offset), number(packed.lines), number(packed.width),
                number(packed.block)};
    };
    switch (random() % 4) {
      case 0:
        tensor.groupSize = number(tensor.groupSize);
        break;
      case 1:
        tensor.minBits = static_cast<int>(number(tensor.minBits));
        break;
      case 2:
        damage(tensor.groupBits);
        break;
      default:
        damage(tensor.levels[random() % tensor.levels.size()].packed);
    }
    try {
      const at::Tensor restored = restoreQuantised(file, tensor, {kRows, kColumns});
      CHECK(restored.numel() == kRows * kColumns);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kModelInvalid);
      ++refused;
    }
  }
  CHECK(refused > kRounds / 4);
  CHECK(refused < kRounds);
}

TEST_CASE("a network file that cannot be written is an error and not half a file") {
  Fixture fixture;
  SUBCASE("something is there") {
    fixture.bytes.save(fixture.task.out);
    CHECK(failure(fixture.task) == ErrorCode::kOutputUnwritable);
    CHECK(exists(fixture.task.out));
  }
  SUBCASE("no folder") {
    fixture.task.out = "no-such-folder/network.pt";
    CHECK(failure(fixture.task) == ErrorCode::kOutputUnwritable);
  }
  SUBCASE("writing stops in the middle") {
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit small = before;
    small.rlim_cur = 4096;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const ErrorCode code = failure(fixture.task);
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(code == ErrorCode::kOutputUnwritable);
    CHECK_FALSE(exists(fixture.task.out));
  }
}
