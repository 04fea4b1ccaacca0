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

Model::Model(ModelDescription description, std::string device, int threads, bool optimize)
    : description_(std::move(description)), device_(std::move(device)), threads_(threads) {
  for (const ModelDescription::Member& member : description_.members) {
    networks_.push_back(std::make_unique<Network>(member.file, device_, optimize));
  }
}

int64_t Model::weightBytes() const {
  int64_t bytes = 0;
  for (const auto& network : networks_) bytes += network->weightBytes();
  return bytes;
}

}  // namespace oxboard
