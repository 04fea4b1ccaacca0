#include "network.h"

#include <torch/script.h>

#include <optional>
#include <utility>

#include "cpu_allocator.h"
#include "denormals.h"
#include "device_constants.h"
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
  if (failedAllocations() != failuresBefore ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) {
    return true;
  }
  const std::string text = error.what();
  for (const char* sign :
       {"std::bad_alloc", "CUDA out of memory", "CUDA error: out of memory",
        "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED", "CUFFT_ALLOC_FAILED"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

namespace {

/** Weights that lose nothing by it lie in half precision on the disk. */
void restoreWeights(const torch::jit::Module& module) {
  for (const at::Tensor& weight : module.parameters()) {
    if (weight.scalar_type() == at::kHalf) weight.set_data(weight.to(at::kFloat));
  }
}

}  // namespace

struct Network::Graph {
  Graph(const torch::jit::Module& loaded, c10::Device device, const Optimizations& optimizations)
      : frozen(torch::jit::freeze(loaded)), optimizations(optimizations) {
    for (const at::Tensor& weight : loaded.parameters()) weightBytes += weight.nbytes();
    for (const at::Tensor& buffer : loaded.buffers()) weightBytes += buffer.nbytes();
    if (!device.is_cpu()) {
      source = loaded;
      return;
    }
    replaced = optimizeGraph(frozen.get_method("forward").graph(), optimizations);
    flushesDenormals = optimizations.denormals;
  }

  torch::jit::Module frozen;
  /** As it was loaded, with the same weights as the frozen one; on other devices than the CPU. */
  std::optional<torch::jit::Module> source;
  Optimizations optimizations;
  int64_t weightBytes = 0;
  int replaced = 0;
  bool flushesDenormals = false;
};

Network::Network(const std::string& file, const std::string& device,
                 const Optimizations& optimizations)
    : file_(file) {
  const size_t failuresBefore = failedAllocations();
  try {
    const c10::Device target(device);
    torch::jit::Module module = torch::jit::load(file, target);
    module.eval();
    restoreWeights(module);
    if (const auto constant = foreignDevice(module.get_method("forward").graph(), target)) {
      throw Error(ErrorCode::kModelInvalid, file + " cannot run on " + device +
                                                ": its graph holds " + *constant +
                                                ". Export it without device constants");
    }
    graph_ = std::make_unique<Graph>(module, target, optimizations);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (ranOutOfMemory(error, failuresBefore)) {
      throw Error(ErrorCode::kOutOfMemory, "Not enough memory for the weights in " + file);
    }
    throw Error(ErrorCode::kModelInvalid,
                file + " is no TorchScript file that libtorch can load: " + libtorchReason(error));
  }
}

Network::Network(std::string file, std::unique_ptr<Graph> graph)
    : file_(std::move(file)), graph_(std::move(graph)) {}

Network::~Network() = default;

const Network& Network::onHost() const {
  if (!graph_->source) return *this;
  if (!onHost_) {
    auto graph = std::make_unique<Graph>(graph_->source->deepcopy(at::kCPU), at::kCPU,
                                         graph_->optimizations);
    onHost_.reset(new Network(file_, std::move(graph)));
  }
  return *onHost_;
}

int64_t Network::weightBytes() const { return graph_->weightBytes; }

int Network::replacedOperators() const { return graph_->replaced; }

at::Tensor Network::run(const at::Tensor& input) const {
  const c10::InferenceMode inference;
  std::optional<DenormalsAreZero> denormals;
  if (graph_->flushesDenormals) denormals.emplace();
  return graph_->frozen.forward({input}).toTensor();
}

}  // namespace oxboard
