// One layer of Demucs' DConv residual branch as a single pass over memory.
//
//     y = x + scale * GLU(GroupNorm(W2 * GELU(GroupNorm(W1 *_dilated x + b1)) + b2))
//
// (demucs/demucs.py, DConv; one group per norm.) Run operator by operator, its eight steps read and
// write tensors of hundreds of megabytes for next to no arithmetic.
#pragma once

#include <cstdint>

#include "kernel_set.h"

namespace oxboard::kernels {

struct DConvLayer {
  int64_t batch;             // rows that are normalised on their own
  int64_t channels;          // C
  int64_t hidden;            // H
  int64_t frames;            // T
  int64_t dilation;          // of the first convolution, whose kernel has 3 taps
  int64_t batchStride;       // floats between two rows, of input and output
  int64_t channelStride;     // floats between two channels; frames lie side by side
  const float* input;        // (batch, C, T)
  const float* weight1;      // (H, C, 3)
  const float* bias1;        // (H)
  const float* normWeight1;  // (H)
  const float* normBias1;    // (H)
  double epsilon1;
  const float* weight2;      // (2C, H)
  const float* bias2;        // (2C)
  const float* normWeight2;  // (2C)
  const float* normBias2;    // (2C)
  double epsilon2;
  const float* scale;  // (C)
  float* output;       // (batch, C, T)
};

/** Runs a layer on the calling thread and its team. */
void dconvLayer(const DConvLayer& layer, const KernelSet& kernels = widestKernels());

}  // namespace oxboard::kernels
