#include "network.h"

#include <torch/script.h>

#include "cpu_allocator.h"
#include "dconv_pass.h"
#include "error.h"

namespace oxboard {
std::string libtorchReason(const std::exception& error) {
  const auto* c10Error = dynamic_cast<const c10::Error*>(&error);
  std::string text = c10Error ? c10Error->what_without_backtrace() : error.what();
  // The interpreter puts listings of code before the message of the operator that failed.
  const std::string mark = "RuntimeError: ";
  const size_t position = text.rfind(mark);
  if (position != std::string::npos) text.erase(0, position + mark.size());
  return text.substr(0, text.find('\n'));
}

bool ranOutOfMemory(const std::exception& error, size_t failuresBefore) {
  // Not every allocation goes through our allocator, and the interpreter keeps only the text of
  // what such an allocation throws.
  const std::string text = error.what();
  return failedAllocations() != failuresBefore ||
         dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         text.find("std::bad_alloc") != std::string::npos ||
         text.find("CUDA out of memory") != std::string::npos;
}

struct Network::Graph {
  torch::jit::Module module;
};

Network::Network(const std::string& file, const std::string& device, bool optimize) {
  const size_t failuresBefore = failedAllocations();
  try {
    torch::jit::Module module = torch::jit::load(file, c10::Device(device));
    module.eval();
    for (const at::Tensor& weight : module.parameters()) weightBytes_ += weight.nbytes();
    for (const at::Tensor& buffer : module.buffers()) weightBytes_ += buffer.nbytes();
    module = torch::jit::freeze(module);
    if (optimize && c10::Device(device).is_cpu()) {
      fusedLayers_ = fuseDConv(module.get_method("forward").graph());
    }
    graph_ = std::make_unique<Graph>(Graph{std::move(module)});
  } catch (const std::exception& error) {
    if (ranOutOfMemory(error, failuresBefore)) {
      throw Error(ErrorCode::kOutOfMemory, "Not enough memory for the weights in " + file);
    }
    throw Error(ErrorCode::kModelInvalid,
                file + " is no TorchScript file that libtorch can load: " + libtorchReason(error));
  }
}

Network::~Network() = default;

at::Tensor Network::run(const at::Tensor& input) const {
  const c10::InferenceMode inference;
  return graph_->module.forward({input}).toTensor();
}

}  // namespace oxboard
