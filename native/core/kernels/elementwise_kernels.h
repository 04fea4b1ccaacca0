// Inner loops over rows of values, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace oxboard::kernels {

struct ElementwiseKernels {
  /** output = GELU(input), which may be the same row. */
  void (*gelu)(const float* input, float* output, int64_t count);
  /** Adds the sum of a row and the sum of its squares. */
  void (*sums)(const float* input, int64_t count, double* total, double* squares);
  /** output = input * factor + offset, value by value. */
  void (*affine)(const float* input, const float* factor, const float* offset, float* output,
                 int64_t count);
};

}  // namespace oxboard::kernels
