// The loops of elementwise_kernels.h for one instruction set.
#include "elementwise_kernels.h"
#include "vector_math.h"

namespace oxboard::kernels::OXBOARD_ISA {
namespace {

void geluRow(const float* input, float* output, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(output + i, gelu(load(input + i)));
  for (; i < count; ++i) output[i] = gelu(splat(input[i]))[0];
}

void sumRow(const float* input, int64_t count, double* total, double* squares) {
  Vec sums{};
  Vec products{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec value = load(input + i);
    sums += value;
    products += value * value;
  }
  *total += sum(sums);
  *squares += sum(products);
  for (; i < count; ++i) {
    *total += input[i];
    *squares += static_cast<double>(input[i]) * input[i];
  }
}

void affineRow(const float* input, const float* factor, const float* offset, float* output,
               int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store(output + i, load(input + i) * load(factor + i) + load(offset + i));
  }
  for (; i < count; ++i) output[i] = input[i] * factor[i] + offset[i];
}

constexpr ElementwiseKernels kElementwiseKernels{geluRow, sumRow, affineRow};

}  // namespace
}  // namespace oxboard::kernels::OXBOARD_ISA
