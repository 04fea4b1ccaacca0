// The loops of dconv_kernels.h for one instruction set. Included by one file per set.
#include "dconv_kernels.h"
#include "vector_math.h"

namespace oxboard::kernels::OXBOARD_ISA {
namespace {

// Rows of accumulators times vectors per row fill the registers of each instruction set.
constexpr int kVectors = kLanes == 16 ? 4 : 2;
constexpr int64_t kStep = kLanes * kVectors;

void convolve(const ConvolveTile& tile) {
  for (int64_t h = 0; h < tile.hiddenRows; h += kRows) {
    const float* weights = tile.weights + h * tile.channels * 3;
    for (int64_t t = 0; t < tile.frames; t += kStep) {
      Vec acc[kRows][kVectors];
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) acc[r][v] = splat(tile.bias[h + r]);
      }
      const float* column = weights;
      const float* samples = tile.window + t;
      for (int64_t c = 0; c < tile.channels; ++c, samples += tile.windowStride) {
        for (int tap = 0; tap < 3; ++tap, column += kRows) {
          Vec x[kVectors];
          for (int v = 0; v < kVectors; ++v) {
            x[v] = load(samples + tap * tile.dilation + v * kLanes);
          }
          for (int r = 0; r < kRows; ++r) {
            for (int v = 0; v < kVectors; ++v) acc[r][v] += x[v] * column[r];
          }
        }
      }
      const int64_t left = tile.frames - t;
      const int64_t valid = left < kStep ? left : kStep;
      for (int r = 0; r < kRows && h + r < tile.hiddenRows; ++r) {
        float* out = tile.hidden + (h + r) * tile.hiddenStride + t;
        for (int v = 0; v < kVectors; ++v) store(out + v * kLanes, acc[r][v]);
        if (valid < kStep) {
          // Frames beyond the tile count as zeros in every sum.
          for (int64_t i = valid; i < kStep; ++i) out[i] = 0;
          for (int v = 0; v < kVectors; ++v) acc[r][v] = load(out + v * kLanes);
        }
        Vec total{};
        Vec squares{};
        for (int v = 0; v < kVectors; ++v) {
          total += acc[r][v];
          squares += acc[r][v] * acc[r][v];
        }
        *tile.total += sum(total);
        *tile.squares += sum(squares);
      }
    }
  }
}

void activate(const ActivateTile& tile) {
  for (int64_t h = 0; h < tile.hiddenRows; ++h) {
    float* row = tile.hidden + h * tile.hiddenStride;
    Vec total{};
    for (int64_t t = 0; t < tile.frames; t += kLanes) {
      Vec value = gelu(load(row + t) * tile.factor[h] + tile.offset[h]);
      for (int64_t lane = tile.frames - t; lane < kLanes; ++lane) value[lane] = 0;
      store(row + t, value);
      total += value;
    }
    tile.rows[h] += sum(total);
  }
  for (int64_t a = 0; a < tile.hiddenRows; ++a) {
    const float* rowA = tile.hidden + a * tile.hiddenStride;
    for (int64_t b = 0; b <= a; ++b) {
      const float* rowB = tile.hidden + b * tile.hiddenStride;
      Vec total{};
      for (int64_t t = 0; t < tile.frames; t += kLanes) total += load(rowA + t) * load(rowB + t);
      tile.products[a * tile.hiddenRows + b] += sum(total);
    }
  }
}

void project(const ProjectTile& tile) {
  constexpr int kPairs = kRows / 2;
  for (int64_t c = 0; c < tile.channels; c += kPairs) {
    const float* weights = tile.weights + c / kPairs * tile.hiddenRows * kRows;
    const float* offsets = tile.offsets + c / kPairs * kRows;
    for (int64_t t = 0; t < tile.frames; t += kStep) {
      Vec acc[kRows][kVectors];
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) acc[r][v] = splat(offsets[r]);
      }
      const float* column = weights;
      for (int64_t j = 0; j < tile.hiddenRows; ++j, column += kRows) {
        Vec x[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          x[v] = load(tile.hidden + j * tile.hiddenStride + t + v * kLanes);
        }
        for (int r = 0; r < kRows; ++r) {
          for (int v = 0; v < kVectors; ++v) acc[r][v] += x[v] * column[r];
        }
      }
      const int64_t left = tile.frames - t;
      for (int p = 0; p < kPairs && c + p < tile.channels; ++p) {
        const float scale = tile.scale[c + p];
        const float* input = tile.input + (c + p) * tile.rowStride + t;
        float* output = tile.output + (c + p) * tile.rowStride + t;
        for (int v = 0; v < kVectors; ++v) {
          const Vec branch = scale * acc[p][v] * sigmoid(acc[p + kPairs][v]);
          const int64_t at = v * kLanes;
          if (left >= at + kLanes) {
            store(output + at, load(input + at) + branch);
          } else {
            for (int64_t i = at; i < left; ++i) output[i] = input[i] + branch[i - at];
          }
        }
      }
    }
  }
}

}  // namespace

constexpr DConvKernels kDConvKernels{kStep, convolve, activate, project};

}  // namespace oxboard::kernels::OXBOARD_ISA
