#include "network.h"

#include <torch/script.h>

#include "cpu_allocator.h"
#include "error.h"

namespace oxboard {
namespace {

/** Loads a graph and turns libtorch's many exceptions into one error that names the file. */
torch::jit::Module loadModule(const std::string& file, const c10::Device& device) {
  const size_t failuresBefore = failedAllocations();
  try {
    torch::jit::Module module = torch::jit::load(file, device);
    module.eval();
    return module;
  } catch (const std::exception& error) {
    if (failedAllocations() != failuresBefore) {
      throw Error(ErrorCode::kOutOfMemory, "Not enough memory for the weights in " + file);
    }
    const auto* c10Error = dynamic_cast<const c10::Error*>(&error);
    const std::string reason = c10Error ? c10Error->what_without_backtrace() : error.what();
    throw Error(ErrorCode::kModelInvalid,
                file + " is no TorchScript file that libtorch can load: " +
                    reason.substr(0, reason.find('\n')));
  }
}

}  // namespace

struct Network::Graph {
  torch::jit::Module module;
};

Network::Network(const std::string& file, const std::string& device) {
  torch::jit::Module module = loadModule(file, c10::Device(device));
  for (const at::Tensor& weight : module.parameters()) weightBytes_ += weight.nbytes();
  for (const at::Tensor& buffer : module.buffers()) weightBytes_ += buffer.nbytes();
  graph_ = std::make_unique<Graph>(Graph{torch::jit::freeze(module)});
}

Network::~Network() = default;

at::Tensor Network::run(const at::Tensor& input) const {
  const c10::InferenceMode inference;
  return graph_->module.forward({input}).toTensor();
}

std::vector<int64_t> Network::outputShape(const std::string& file,
                                          const std::vector<int64_t>& inputShape) {
  const c10::InferenceMode inference;
  torch::jit::Module module = loadModule(file, c10::Device(c10::kMeta));
  const at::Tensor input = at::empty(inputShape, at::TensorOptions().device(c10::kMeta));
  return module.forward({input}).toTensor().sizes().vec();
}

}  // namespace oxboard
