#include "device_constants.h"

#include <torch/script.h>

#include "devices.h"
#include "doctest_with_torch.h"
#include "error.h"
#include "gpu_status.h"
#include "network.h"
#include "toy_model.h"

using namespace oxboard;
using oxboard::testing::ToyFile;

namespace {

std::optional<std::string> search(const std::string& forward, const std::string& device) {
  torch::jit::Module module("Toy");
  module.define(forward);
  return foreignDevice(module.get_method("forward").graph(), c10::Device(device));
}

const char* const kPlain = "def forward(self, x):\n  return torch.stack([x, 2 * x], dim=1)\n";
const char* const kOfInput =
    "def forward(self, x):\n  y = torch.zeros([2], device=x.device)\n  return x + y.sum()\n";
const char* const kOnCpu =
    "def forward(self, x):\n"
    "  if x.size(0) > 1:\n"
    "    x = x + torch.zeros([1], device=torch.device('cpu'))\n"
    "  return x\n";
const char* const kOnGpu =
    "def forward(self, x):\n  return x + torch.ones([1], device=torch.device('cuda:0'))\n";
const char* const kMoves = "def forward(self, x):\n  return x.cuda()\n";

}  // namespace

TEST_CASE("device constants: found at any depth, and only where they are foreign") {
  for (const char* device : {"cpu", "cuda:0", "cuda:1"}) {
    CHECK_FALSE(search(kPlain, device));
    CHECK_FALSE(search(kOfInput, device));
  }
  CHECK_FALSE(search(kOnCpu, "cpu"));
  REQUIRE(search(kOnCpu, "cuda:0"));
  CHECK(search(kOnCpu, "cuda:0")->find("device constant cpu") != std::string::npos);
  CHECK(search(kOnGpu, "cpu")->find("device constant cuda:0") != std::string::npos);
  CHECK_FALSE(search(kOnGpu, "cuda:0"));
  CHECK(search(kOnGpu, "cuda:1"));
  CHECK(search(kMoves, "cpu"));
  CHECK_FALSE(search(kMoves, "cuda:1"));
}

TEST_CASE("device constants: a network that names another device is refused by its name") {
  const ToyFile file(kOnGpu);
  try {
    const Network network(file.path(), "cpu", Optimizations::all());
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kModelInvalid);
    const std::string message = error.what();
    CHECK(message.find("the device constant cuda:0") != std::string::npos);
    CHECK(message.find(file.path()) != std::string::npos);
  }
}

TEST_CASE("gpu: either there is one, or why not is known") {
  const GpuStatus status = gpuStatus();
  CHECK(status.reason.empty() == (availableDevices().size() > 1));
#ifdef OXBOARD_CUDA
  CHECK(status.cuda.find('.') != std::string::npos);
#else
  CHECK(status.cuda.empty());
  CHECK(status.reason.find("libtorch for CPUs alone") != std::string::npos);
#endif
}
