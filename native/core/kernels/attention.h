// Scaled dot-product attention, softmax(Q K' / sqrt(D)) V, without a matrix of all scores: blocks
// of queries go over blocks of keys with a running softmax (Dao et al., FlashAttention,
// arXiv:2205.14135), in products that stay in the cache.
#pragma once

#include <cstdint>

#include "kernel_set.h"

namespace oxboard::kernels {

/** Rows of D values that lie side by side. */
struct Heads {
  float* data;
  int64_t headStride;  // floats between two heads
  int64_t rowStride;   // floats between two rows
};

struct Attention {
  int64_t heads;
  int64_t queries;
  int64_t keys;
  int64_t width;  // D
  float scale;    // of the scores
  Heads query;
  Heads key;
  Heads value;
  Heads output;
  /** Room for attentionScratch() floats. */
  float* scratch;
};

/** Whether a width is a multiple of what the kernels work on. */
bool attentionFits(int64_t width, const KernelSet& kernels = widestKernels());

/** Floats of scratch memory. */
int64_t attentionScratch(const Attention& attention, const KernelSet& kernels = widestKernels());

/** Runs on the calling thread and its team. */
void attention(const Attention& attention, const KernelSet& kernels = widestKernels());

}  // namespace oxboard::kernels
