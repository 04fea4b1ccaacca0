// The loops of attention_kernels.h for one instruction set.
#include "attention_kernels.h"
#include "vector_math.h"

namespace oxboard::kernels::OXBOARD_ISA {
namespace {

// Rows times vectors fill the registers of each instruction set.
constexpr int kPanelVectors = kLanes == 16 ? 4 : 2;
constexpr int64_t kPanel = kLanes * kPanelVectors;

void multiply(const ProductTile& tile) {
  Vec acc[kTileRows][kPanelVectors];
#pragma GCC unroll 6
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kPanelVectors; ++v) {
      acc[r][v] = tile.factors == nullptr
                      ? Vec{}
                      : load(tile.product + r * tile.productStride + v * kLanes) * tile.factors[r];
    }
  }
  const float* left[kTileRows];
  for (int r = 0; r < kTileRows; ++r) left[r] = tile.left[r];
  const float* right = tile.right;
  for (int64_t k = 0; k < tile.depth; ++k, right += tile.rightStride) {
    Vec x[kPanelVectors];
    for (int v = 0; v < kPanelVectors; ++v) x[v] = load(right + v * kLanes);
    for (int r = 0; r < kTileRows; ++r) {
      const float factor = left[r][k];
      for (int v = 0; v < kPanelVectors; ++v) acc[r][v] += x[v] * factor;
    }
  }
  // Unrolled, the accumulators stay in registers.
#pragma GCC unroll 6
  for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kPanelVectors; ++v) {
      store(tile.product + r * tile.productStride + v * kLanes, acc[r][v]);
    }
  }
}

void softmax(const SoftmaxRow& row) {
  const int64_t whole = row.count / kLanes * kLanes;
  float maximum = *row.maximum;
  // Two, so that one comparison does not wait for the other.
  Vec highest = splat(maximum);
  Vec second = highest;
  for (int64_t i = 0; i + kLanes <= whole; i += 2 * kLanes) {
    const Vec score = load(row.scores + i);
    highest = score > highest ? score : highest;
    if (i + kLanes < whole) {
      const Vec next = load(row.scores + i + kLanes);
      second = next > second ? next : second;
    }
  }
  highest = second > highest ? second : highest;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (highest[lane] > maximum) maximum = highest[lane];
  }
  for (int64_t i = whole; i < row.count; ++i) {
    if (row.scores[i] > maximum) maximum = row.scores[i];
  }
  Vec total{};
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vec value = expBelow88(load(row.scores + i) - maximum);
    store(row.scores + i, value);
    total += value;
  }
  float rest = 0;
  for (int64_t i = whole; i < row.count; ++i) {
    row.scores[i] = exp(splat(row.scores[i] - maximum))[0];
    rest += row.scores[i];
  }
  *row.factor = exp(splat(*row.maximum - maximum))[0];
  *row.sum = *row.sum * *row.factor + sum(total) + rest;
  *row.maximum = maximum;
}

constexpr AttentionKernels kAttentionKernels{kPanel, multiply, softmax};

}  // namespace
}  // namespace oxboard::kernels::OXBOARD_ISA
