// libtorch's CPU allocator: large blocks from a MemoryArena, small ones from malloc. It is also
// what makes a running network stoppable: every operator allocates its result, and the allocation
// throws once the stop flag of the unit of work on this thread is set.
#pragma once

#include <atomic>
#include <cstddef>

#include "memory_arena.h"

namespace oxboard {

/** Set from any thread to end the work that a StopScope has bound it to. */
using StopFlag = std::atomic<bool>;

/** Binds a stop flag to the calling thread while it lives. */
class StopScope {
 public:
  explicit StopScope(const StopFlag& flag);
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

 private:
  const StopFlag* outer_;
};

/** Makes our allocator libtorch's allocator for CPU tensors. Later calls do nothing. */
void installCpuAllocator();

/** How full the arena of the CPU allocator is. */
MemoryArena::Stats cpuMemoryStats();

/** Returns the memory that no tensor uses to the system. */
void trimCpuMemory();

/**
 * How often an allocation has failed in this process. TorchScript's interpreter turns every
 * exception into a std::runtime_error, so a caller compares this number before and after.
 */
size_t failedAllocations();

}  // namespace oxboard
