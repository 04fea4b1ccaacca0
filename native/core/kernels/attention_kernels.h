// The inner loops of attention (attention.h), compiled once per instruction set.
#pragma once

#include <cstdint>

namespace oxboard::kernels {

/** Rows of a product that are computed together. */
constexpr int kTileRows = 6;

/** product = factor * product + left * right, of 6 rows and `panel` columns. */
struct ProductTile {
  int64_t depth;
  const float* left[kTileRows];  // rows of `depth` values
  const float* right;            // (depth, panel)
  int64_t rightStride;
  float* product;  // (6, panel)
  int64_t productStride;
  const float* factors;  // (6), or null: product = left * right
};

/** One row of scores in a running softmax. */
struct SoftmaxRow {
  float* scores;  // in place: exp(score - maximum)
  int64_t count;
  float* maximum;  // of all rows so far
  float* sum;      // of all exponentials so far
  float* factor;   // by which what was summed before this row has to be multiplied
};

struct AttentionKernels {
  /** Columns of a panel. */
  int64_t panel;
  void (*multiply)(const ProductTile& tile);
  void (*softmax)(const SoftmaxRow& row);
};

}  // namespace oxboard::kernels
