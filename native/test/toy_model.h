// Small networks written as TorchScript, for tests of the engine around them.
#pragma once

#include <torch/script.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpu_device.h"
#include "model.h"

namespace oxboard::testing {

/** A TorchScript file that lives as long as this object. */
class ToyFile {
 public:
  explicit ToyFile(const std::string& forward,
                   const std::map<std::string, at::Tensor>& weights = {}) {
    static int count = 0;
    const std::string name =
        "oxboard-toy-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".pt";
    // Where the system clears up after a test that was killed.
    path_ = (std::filesystem::temp_directory_path() / name).string();
    torch::jit::Module module("Toy");
    for (const auto& [name, weight] : weights) module.register_parameter(name, weight, false);
    module.define(forward);
    module.save(path_);
  }
  ~ToyFile() { std::remove(path_.c_str()); }
  ToyFile(const ToyFile&) = delete;
  ToyFile& operator=(const ToyFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/** Two sources: the input, and twice the input. */
constexpr const char* kIdentity =
    "def forward(self, x):\n  return torch.stack([x, 2 * x], dim=1)\n";

/** A bag over toy files with two sources, two channels and segments of 100 frames. */
inline std::shared_ptr<const Model> toyModel(const std::vector<const ToyFile*>& files,
                                             std::vector<std::vector<double>> weights = {},
                                             int64_t minLength = 100,
                                             std::shared_ptr<ComputeDevice> device = nullptr) {
  ModelDescription description;
  description.name = "toy";
  description.sources = 2;
  description.channels = 2;
  description.sampleRate = 100;
  description.segment = 100;
  description.minLength = minLength;
  for (size_t i = 0; i < files.size(); ++i) {
    description.members.push_back(
        {files[i]->path(), weights.empty() ? std::vector<double>{1, 1} : weights[i]});
  }
  if (!device) device = openCpuDevice();
  return std::make_shared<const Model>(description, device, 2, Optimizations::all());
}

}  // namespace oxboard::testing
