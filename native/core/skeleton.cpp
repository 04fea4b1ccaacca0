#include "skeleton.h"

#include <fcntl.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/script.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "cpu_allocator.h"
#include "error.h"
#include "model.h"
#include "network.h"

namespace oxboard {
namespace {

torch::jit::Module loadSkeleton(const std::string& path) {
  try {
    torch::jit::Module module = torch::jit::load(path, c10::kCPU);
    module.eval();
    return module;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kModelInvalid,
                path + " is no skeleton that libtorch can load: " + libtorchReason(error));
  }
}

/** @throws std::exception as libtorch throws it, for source that is not TorchScript. */
torch::jit::Module compileGraph(const SkeletonTask& task) {
  torch::jit::Module module("Network");
  for (const auto& [name, shape] : task.shapes) {
    // Filled in before it is used; until then it takes no memory.
    module.register_parameter(name, at::zeros({1}).expand(shape), /*is_buffer=*/false);
  }
  // Freezing asks every module whether it is in training.
  module.register_attribute("training", c10::BoolType::get(), false);
  try {
    module.define(task.script);
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kModelInvalid,
                "The source of the graph does not compile: " + std::string(error.what()));
  }
  return module;
}

void fill(torch::jit::Module& module, const SkeletonTask& task) {
  const WeightsFile file(task.weights);
  size_t filled = 0;
  for (const auto& [name, parameter] : module.named_parameters(/*recurse=*/false)) {
    const auto entry = task.parameters.find(name);
    if (entry == task.parameters.end()) {
      throw Error(ErrorCode::kModelInvalid, task.weights + " has nothing for " + name);
    }
    const auto* stored = std::get_if<StoredTensor>(&entry->second);
    module.setattr(name, stored != nullptr
                             ? file.readTensor(*stored, parameter.sizes())
                             : restoreQuantised(file, std::get<QuantisedTensor>(entry->second),
                                                parameter.sizes()));
    ++filled;
  }
  if (filled != task.parameters.size()) {
    throw Error(ErrorCode::kModelInvalid, task.weights + " has weights that its graph has not");
  }
}

/** A new file, which is removed unless it is complete. */
class OutputFile {
 public:
  explicit OutputFile(const std::string& path) : path_(path) {
    descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(errno);
  }

  ~OutputFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!complete_) unlink(path_.c_str());
  }

  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /** Never fails: libtorch's writer ends the process when it meets an error twice. */
  void write(const char* data, size_t bytes) {
    while (bytes > 0 && error_ == 0) {
      const ssize_t count = ::write(descriptor_, data, bytes);
      if (count < 0) {
        if (errno != EINTR) error_ = errno;
        continue;
      }
      data += count;
      bytes -= static_cast<size_t>(count);
    }
  }

  void finish() {
    if (error_ == 0 && fsync(descriptor_) != 0) error_ = errno;
    if (close(std::exchange(descriptor_, -1)) != 0 && error_ == 0) error_ = errno;
    if (error_ != 0) fail(error_);
    complete_ = true;
  }

 private:
  [[noreturn]] void fail(int error) const {
    const bool full = error == ENOSPC || error == EDQUOT;
    throw Error(full ? ErrorCode::kDiskFull : ErrorCode::kOutputUnwritable,
                path_ + " cannot be written: " + std::strerror(error));
  }

  std::string path_;
  int descriptor_ = -1;
  int error_ = 0;
  bool complete_ = false;
};

void save(const torch::jit::Module& module, const std::string& path) {
  OutputFile file(path);
  torch::jit::ExportModule(module, [&file](const void* data, size_t bytes) {
    file.write(static_cast<const char*>(data), bytes);
    return bytes;
  });
  file.finish();
}

}  // namespace

void fillSkeleton(const SkeletonTask& task) {
  const size_t failuresBefore = failedAllocations();
  try {
    torch::jit::Module module =
        task.script.empty() ? loadSkeleton(task.skeleton) : compileGraph(task);
    fill(module, task);
    save(module, task.out);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (!ranOutOfMemory(error, failuresBefore)) throw;
    throw Error(ErrorCode::kOutOfMemory, "Not enough memory for the weights in " + task.weights);
  }
  // Nobody else is served by the pages that the weights took.
  if (Model::live() == 0) trimCpuMemory();
}

}  // namespace oxboard
