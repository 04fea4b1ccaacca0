#include "interleave.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace oxboard::kernels {
namespace {

// Frames of a single value that are activated before they are spread: these stay in the
// first-level cache.
constexpr int64_t kFramesPerBlock = 1024;

/** Whole frames of many values are copied one by one. */
void copyFrames(const Interleave& task, const KernelSet& kernels) {
  at::parallel_for(0, task.rows * task.length, 16, [&](int64_t from, int64_t to) {
    for (int64_t at = from; at < to; ++at) {
      const int64_t row = at / task.length;
      const int64_t frame = at % task.length + task.begin;
      const int64_t channel = row * task.stride + frame % task.stride;
      const float* source = task.input + (channel * task.frames + frame / task.stride) * task.inner;
      float* target = task.output + at * task.inner;
      if (task.gelu) {
        kernels.elementwise.gelu(source, target, task.inner);
      } else {
        std::copy_n(source, task.inner, target);
      }
    }
  });
}

/** Frames of one value are spread, block by block. */
void spreadFrames(const Interleave& task, const KernelSet& kernels) {
  at::parallel_for(0, task.rows, 1, [&](int64_t from, int64_t to) {
    std::vector<float> block(kFramesPerBlock);
    for (int64_t row = from; row < to; ++row) {
      float* target = task.output + row * task.length;
      for (int64_t first = 0; first < task.frames; first += kFramesPerBlock) {
        const int64_t count = std::min(kFramesPerBlock, task.frames - first);
        for (int64_t r = 0; r < task.stride; ++r) {
          const float* source = task.input + (row * task.stride + r) * task.frames + first;
          if (task.gelu) {
            kernels.elementwise.gelu(source, block.data(), count);
            source = block.data();
          }
          const int64_t base = first * task.stride + r - task.begin;
          int64_t q = base < 0 ? (-base + task.stride - 1) / task.stride : 0;
          const int64_t fits = base < task.length ? (task.length - base - 1) / task.stride + 1 : 0;
          for (const int64_t end = std::min(count, fits); q < end; ++q) {
            target[base + q * task.stride] = source[q];
          }
        }
      }
    }
  });
}

}  // namespace

void interleave(const Interleave& task, const KernelSet& kernels) {
  if (task.inner == 1) {
    spreadFrames(task, kernels);
  } else {
    copyFrames(task, kernels);
  }
}

}  // namespace oxboard::kernels
