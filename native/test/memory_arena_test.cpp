#include "memory_arena.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

using oxboard::MemoryArena;

namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

struct Block {
  unsigned char* data;
  size_t size;
  unsigned char mark;
};

/** Allocates, marks, checks and releases at random; true when no block was ever overwritten. */
bool churn(MemoryArena& arena, unsigned seed, int rounds) {
  std::mt19937 random(seed);
  std::vector<Block> blocks;
  bool intact = true;
  for (int round = 0; round < rounds; ++round) {
    if (blocks.size() < 40 && random() % 3 != 0) {
      const size_t size = 1 + random() % (256 << 10);
      auto* data = static_cast<unsigned char*>(arena.allocate(size));
      if (data == nullptr) continue;
      const auto mark = static_cast<unsigned char>(random());
      std::memset(data, mark, size);
      blocks.push_back({data, size, mark});
    } else if (!blocks.empty()) {
      const size_t index = random() % blocks.size();
      const Block block = blocks[index];
      intact = intact && block.data[0] == block.mark && block.data[block.size - 1] == block.mark;
      arena.release(block.data);
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }
  for (const Block& block : blocks) arena.release(block.data);
  return intact;
}

}  // namespace

TEST_CASE("arena: blocks are aligned, owned and do not overlap") {
  MemoryArena arena(64 * kMegabyte);
  auto* first = static_cast<char*>(arena.allocate(100));
  auto* second = static_cast<char*>(arena.allocate(100));
  REQUIRE(first != nullptr);
  REQUIRE(second != nullptr);
  CHECK(reinterpret_cast<uintptr_t>(first) % MemoryArena::kAlignment == 0);
  CHECK(reinterpret_cast<uintptr_t>(second) % MemoryArena::kAlignment == 0);
  CHECK(std::abs(second - first) >= 100);
  CHECK(arena.owns(first));
  int outside = 0;
  CHECK_FALSE(arena.owns(&outside));
}

TEST_CASE("arena: released neighbours join, so that the whole range can be taken again") {
  MemoryArena arena(8 * kMegabyte);
  std::vector<void*> blocks;
  while (void* block = arena.allocate(kMegabyte)) blocks.push_back(block);
  CHECK(blocks.size() == 8);
  // Every second one first, so that both ways of joining are taken.
  for (size_t i = 0; i < blocks.size(); i += 2) arena.release(blocks[i]);
  CHECK(arena.allocate(2 * kMegabyte) == nullptr);
  for (size_t i = 1; i < blocks.size(); i += 2) arena.release(blocks[i]);
  void* whole = arena.allocate(8 * kMegabyte);
  CHECK(whole != nullptr);
  CHECK(arena.stats().inUse == 8 * kMegabyte);
  arena.release(whole);
  CHECK(arena.stats().inUse == 0);
  CHECK(arena.stats().peakInUse == 8 * kMegabyte);
}

TEST_CASE("arena: more than its capacity is refused") {
  MemoryArena arena(4 * kMegabyte);
  CHECK(arena.allocate(4 * kMegabyte + 1) == nullptr);
  CHECK(arena.allocate(SIZE_MAX) == nullptr);
  CHECK(arena.allocate(4 * kMegabyte) != nullptr);
}

TEST_CASE("arena: a reservation that the system refuses becomes a smaller one") {
  MemoryArena arena(size_t{1} << 60);
  CHECK(arena.stats().capacity > 0);
  CHECK(arena.stats().capacity < (size_t{1} << 60));
  CHECK(arena.allocate(kMegabyte) != nullptr);
}

TEST_CASE("arena: trimmed memory comes back as zeros and keeps live blocks") {
  MemoryArena arena(16 * kMegabyte);
  auto* kept = static_cast<unsigned char*>(arena.allocate(kMegabyte));
  auto* freed = static_cast<unsigned char*>(arena.allocate(4 * kMegabyte));
  std::memset(kept, 7, kMegabyte);
  std::memset(freed, 7, 4 * kMegabyte);
  arena.release(freed);
  arena.trim();
  CHECK(kept[0] == 7);
  CHECK(kept[kMegabyte - 1] == 7);
  auto* again = static_cast<unsigned char*>(arena.allocate(4 * kMegabyte));
  CHECK(again[kMegabyte] == 0);
}

TEST_CASE("arena: random use by several threads never hands out one byte twice") {
  MemoryArena arena(64 * kMegabyte);
  std::vector<std::thread> threads;
  std::vector<char> intact(4, 0);
  for (unsigned i = 0; i < intact.size(); ++i) {
    threads.emplace_back([&, i] { intact[i] = churn(arena, i, 4000) ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char result : intact) CHECK(result == 1);
  CHECK(arena.stats().inUse == 0);
  CHECK(arena.allocate(arena.stats().capacity) != nullptr);
}
