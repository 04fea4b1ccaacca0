// One contiguous range of memory for large tensors, handed out again and again.
//
// A network asks for the same few hundred large blocks in every forward pass. glibc maps and
// unmaps each of them, and the page faults cost a fifth of the run time. The arena keeps its pages:
// it takes the best fitting free block, splits it, and joins neighbours when blocks come back.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace oxboard {

class MemoryArena {
 public:
  struct Stats {
    size_t capacity;   // bytes that the arena may hand out at the same time
    size_t inUse;      // bytes handed out now
    size_t peakInUse;  // most bytes handed out at any time
  };

  // Every block starts at a multiple of this: a cache line, and the widest vector register.
  static constexpr size_t kAlignment = 64;

  /**
   * Reserves address space for `capacity` bytes; memory is taken when it is first touched. Where
   * the system refuses so much (a limit on address space), the capacity is half of what it grants.
   */
  explicit MemoryArena(size_t capacity);
  ~MemoryArena();
  MemoryArena(const MemoryArena&) = delete;
  MemoryArena& operator=(const MemoryArena&) = delete;

  /** A block of at least `bytes` bytes, or nullptr when no free range is large enough. */
  void* allocate(size_t bytes);

  /** Takes back a block that `allocate` gave. */
  void release(void* block);

  /** Whether `address` lies inside the arena. */
  bool owns(const void* address) const;

  /** Returns the memory of all free blocks to the system; their addresses stay reserved. */
  void trim();

  Stats stats() const;

 private:
  void insertFree(size_t offset, size_t size);
  void eraseFree(std::map<size_t, size_t>::iterator block);

  char* base_ = nullptr;
  size_t capacity_ = 0;
  size_t inUse_ = 0;
  size_t peakInUse_ = 0;
  mutable std::mutex mutex_;
  std::map<size_t, size_t> freeByOffset_;           // offset -> size
  std::set<std::pair<size_t, size_t>> freeBySize_;  // (size, offset)
  std::unordered_map<size_t, size_t> used_;         // offset -> size
};

/** Bytes of memory that this process may use: the control group's limit or the machine's memory. */
size_t availableMemory();

}  // namespace oxboard
