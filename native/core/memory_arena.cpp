#include "memory_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace oxboard {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSmallestReservation = size_t{64} << 20;

size_t roundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/** Maps `bytes` of address space that starts at a multiple of a huge page, or nullptr. */
char* reserve(size_t bytes) {
  const size_t mapped = bytes + kHugePage;
  void* address = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(address);
  char* aligned = reinterpret_cast<char*>(roundUp(reinterpret_cast<size_t>(start), kHugePage));
  if (aligned != start) munmap(start, aligned - start);
  char* end = start + mapped;
  if (aligned + bytes != end) munmap(aligned + bytes, end - (aligned + bytes));
  return aligned;
}

}  // namespace

MemoryArena::MemoryArena(size_t capacity) {
  capacity_ = roundUp(std::max(capacity, kHugePage), kHugePage);
  bool limited = false;
  while ((base_ = reserve(capacity_)) == nullptr && capacity_ > kSmallestReservation) {
    capacity_ = roundUp(capacity_ / 2, kHugePage);
    limited = true;
  }
  if (base_ == nullptr) {
    capacity_ = 0;
    return;
  }
  if (limited) {
    // What a limit on address space leaves is for V8 and for thread stacks, too: the process would
    // die where an allocation of ours can fail and be told.
    const size_t half = roundUp(capacity_ / 2, kHugePage);
    munmap(base_ + half, capacity_ - half);
    capacity_ = half;
  }
#ifdef MADV_HUGEPAGE
  // Fewer, larger pages: fewer faults at first touch and fewer misses of the address cache. A
  // system without them says no, and all works as before.
  madvise(base_, capacity_, MADV_HUGEPAGE);
#endif
  insertFree(0, capacity_);
}

MemoryArena::~MemoryArena() {
  if (base_ != nullptr) munmap(base_, capacity_);
}

void MemoryArena::insertFree(size_t offset, size_t size) {
  freeByOffset_.emplace(offset, size);
  freeBySize_.emplace(size, offset);
}

void MemoryArena::eraseFree(std::map<size_t, size_t>::iterator block) {
  freeBySize_.erase({block->second, block->first});
  freeByOffset_.erase(block);
}

void* MemoryArena::allocate(size_t bytes) {
  if (bytes > capacity_) return nullptr;
  const size_t size = roundUp(std::max<size_t>(bytes, 1), kAlignment);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto fit = freeBySize_.lower_bound({size, 0});
  if (fit == freeBySize_.end()) return nullptr;
  const auto [available, offset] = *fit;
  eraseFree(freeByOffset_.find(offset));
  if (available > size) insertFree(offset + size, available - size);
  used_.emplace(offset, size);
  inUse_ += size;
  peakInUse_ = std::max(peakInUse_, inUse_);
  return base_ + offset;
}

void MemoryArena::release(void* block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t offset = static_cast<char*>(block) - base_;
  const auto used = used_.find(offset);
  size_t size = used->second;
  used_.erase(used);
  inUse_ -= size;

  const auto next = freeByOffset_.lower_bound(offset);
  if (next != freeByOffset_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      offset = previous->first;
      size += previous->second;
      eraseFree(previous);
    }
  }
  if (next != freeByOffset_.end() && next->first == offset + size) {
    size += next->second;
    eraseFree(next);
  }
  insertFree(offset, size);
}

bool MemoryArena::owns(const void* address) const {
  const char* byte = static_cast<const char*>(address);
  return base_ != nullptr && byte >= base_ && byte < base_ + capacity_;
}

void MemoryArena::trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const auto& [offset, size] : freeByOffset_) {
    const size_t begin = roundUp(offset, page);
    const size_t end = (offset + size) / page * page;
    if (end > begin) madvise(base_ + begin, end - begin, MADV_DONTNEED);
  }
}

MemoryArena::Stats MemoryArena::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {capacity_, inUse_, peakInUse_};
}

size_t availableMemory() {
  size_t bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    size_t limit = 0;
    // The file says "max" where there is no limit; that is not a number and leaves `bytes` alone.
    if (std::ifstream(file) >> limit) bytes = std::min(bytes, limit);
  }
  return bytes;
}

}  // namespace oxboard
