// Frames of several channels put between each other along one dimension: the second half of a
// transposed convolution (see passes/transposed_convolution_pass.h).
#pragma once

#include <cstdint>

#include "kernel_set.h"

namespace oxboard::kernels {

/**
 * output[n, s * q + r - begin, i] = f(input[n, r, q, i]) for the frames from `begin` on, where f is
 * GELU or nothing. What lies behind the interleaved dimension, `inner`, stays as it is.
 */
struct Interleave {
  int64_t rows;    // n: batch times channels
  int64_t stride;  // s: channels that become frames
  int64_t frames;  // q
  int64_t inner;   // i
  int64_t begin;
  int64_t length;      // frames of the output
  const float* input;  // (rows, stride, frames, inner)
  float* output;       // (rows, length, inner)
  bool gelu;
};

/** Runs on the calling thread and its team. */
void interleave(const Interleave& task, const KernelSet& kernels = widestKernels());

}  // namespace oxboard::kernels
