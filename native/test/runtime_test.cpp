// What the process must look like for the engine to be fast and right.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "cpu_allocator.h"
#include "devices.h"
#include "doctest_with_torch.h"
#include "error.h"
#include "toy_model.h"

using namespace oxboard;

TEST_CASE("allocator: large tensors live in the arena and leave it") {
  const size_t before = cpuMemoryStats().inUse;
  {
    const at::Tensor tensor = at::empty({1 << 20});
    CHECK(cpuMemoryStats().inUse >= before + (size_t{4} << 20));
    CHECK(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % MemoryArena::kAlignment == 0);
  }
  CHECK(cpuMemoryStats().inUse == before);
}

TEST_CASE("allocator: a stop flag acts on its own thread and scope only") {
  StopFlag stop{true};
  {
    const StopScope scope(stop);
    CHECK_THROWS(at::empty({10}));
    bool otherThreadFine = false;
    std::thread([&] { otherThreadFine = at::empty({10}).numel() == 10; }).join();
    CHECK(otherThreadFine);
  }
  CHECK(at::empty({10}).numel() == 10);
}

TEST_CASE("allocator: what does not fit is counted and thrown") {
  const size_t before = failedAllocations();
  CHECK_THROWS_AS(at::empty({int64_t{1} << 50}), c10::OutOfMemoryError);
  CHECK(failedAllocations() == before + 1);
}

TEST_CASE("threads: code of ours runs on all of them, with one OpenMP runtime in the process") {
  // Compiled without -fopenmp, at::parallel_for silently runs on one thread.
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) {
    const std::lock_guard<std::mutex> lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  CHECK(threads.size() == 2);

  std::set<std::string> runtimes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t name = line.find('/');
    if (name != std::string::npos && line.find("libgomp") != std::string::npos) {
      runtimes.insert(line.substr(name));
    }
  }
  CHECK(runtimes.size() == 1);
}

TEST_CASE("devices: what is asked for and not there is an error that says what is") {
  CHECK(availableDevices().front() == "cpu");
  CHECK(resolveDevice("cpu") == "cpu");
  try {
    resolveDevice("cuda:99");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kDeviceUnavailable);
    CHECK(std::string(error.what()).find("Available: cpu") != std::string::npos);
  }
}

TEST_CASE("networks: a file that is no TorchScript is refused in one line") {
  const std::string path = "not-torchscript.pt";
  std::ofstream(path) << "hello";
  try {
    const Network network(path, "cpu", Optimizations::all());
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kModelInvalid);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
  }
  std::remove(path.c_str());
}

TEST_CASE("networks: weights that were stored in half precision are restored") {
  const at::Tensor kernel = at::tensor({0.5f, 0.0f, 0.0f, 0.25f}).reshape({2, 2, 1});
  const testing::ToyFile file("def forward(self, x):\n  return torch.conv1d(x, self.kernel)\n",
                              {{"kernel", kernel.to(at::kHalf)}});
  const Network network(file.path(), "cpu", Optimizations::all());
  const at::Tensor output = network.run(at::ones({1, 2, 3}));
  CHECK((output.scalar_type() == at::kFloat));
  CHECK(output[0][0][0].item<float>() == 0.5f);
  CHECK(output[0][1][0].item<float>() == 0.25f);
  CHECK(network.weightBytes() == 16);
}

TEST_CASE("errors: every code has the name that TypeScript knows") {
  CHECK(std::string(errorName(ErrorCode::kAborted)) == "ABORTED");
  CHECK(std::string(errorName(ErrorCode::kOutOfMemory)) == "OUT_OF_MEMORY");
}
