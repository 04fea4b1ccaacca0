#include "model.h"

#include <atomic>
#include <utility>

#include "cpu_allocator.h"

namespace oxboard {
namespace {

std::atomic<int> liveModels{0};

}  // namespace

int Model::live() { return liveModels; }

Model::LiveCount::LiveCount() { ++liveModels; }

Model::LiveCount::~LiveCount() {
  // Between songs the arena keeps its pages for the next one; without a model there is none.
  if (--liveModels == 0) trimCpuMemory();
}

Model::Model(ModelDescription description, std::shared_ptr<ComputeDevice> device, int threads,
             const Optimizations& optimizations)
    : description_(std::move(description)), deviceName_(device->name()) {
  for (const ModelDescription::Member& member : description_.members) {
    networks_.push_back(std::make_unique<Network>(member.file, deviceName_, optimizations));
  }
  runner_ = std::make_unique<BatchRunner>(std::move(device), threads, description_.name);
}

int64_t Model::weightBytes() const {
  int64_t bytes = 0;
  for (const auto& network : networks_) bytes += network->weightBytes();
  return bytes;
}

}  // namespace oxboard
