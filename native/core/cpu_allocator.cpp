#include "cpu_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

namespace oxboard {
namespace {

// glibc serves blocks below this without mapping pages; kept out of the arena, scalars and other
// small long-lived tensors do not split it.
constexpr size_t kSmallestArenaBlock = size_t{64} << 10;

thread_local const StopFlag* currentStopFlag = nullptr;
std::atomic<size_t> failures{0};

MemoryArena& arena() {
  // Never destroyed: tensors of static storage duration inside libtorch may outlive everything.
  static MemoryArena* instance = new MemoryArena(availableMemory());
  return *instance;
}

void releaseBlock(void* block) {
  if (block == nullptr) return;
  if (arena().owns(block)) {
    arena().release(block);
  } else {
    std::free(block);
  }
}

class CpuAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (currentStopFlag != nullptr && currentStopFlag->load(std::memory_order_relaxed)) {
      throw std::runtime_error("stopped");
    }
    if (bytes == 0) return {nullptr, nullptr, &releaseBlock, c10::Device(c10::DeviceType::CPU)};
    void* block = nullptr;
    if (bytes >= kSmallestArenaBlock) {
      block = arena().allocate(bytes);
    } else if (posix_memalign(&block, MemoryArena::kAlignment, bytes) != 0) {
      block = nullptr;
    }
    if (block == nullptr) {
      failures.fetch_add(1);
      TORCH_CHECK_WITH(OutOfMemoryError, false, "cannot allocate ", bytes, " bytes");
    }
    // The context equals the data pointer, because oneDNN's convolutions take the pointer apart
    // with raw_deleter() and abort otherwise.
    return {block, block, &releaseBlock, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &releaseBlock; }

  void copy_data(void* destination, const void* source, size_t bytes) const override {
    std::memcpy(destination, source, bytes);
  }
};

}  // namespace

StopScope::StopScope(const StopFlag& flag) : outer_(currentStopFlag) { currentStopFlag = &flag; }
StopScope::~StopScope() { currentStopFlag = outer_; }

void installCpuAllocator() {
  static std::once_flag once;
  std::call_once(once, [] {
    arena();
    c10::SetCPUAllocator(new CpuAllocator(), /*priority=*/1);
  });
}

MemoryArena::Stats cpuMemoryStats() { return arena().stats(); }
void trimCpuMemory() { arena().trim(); }
size_t failedAllocations() { return failures.load(); }

}  // namespace oxboard
