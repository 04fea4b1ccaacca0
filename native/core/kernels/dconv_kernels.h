// The inner loops of a DConv layer (dconv.h), compiled once per instruction set.
#pragma once

#include <cstdint>

namespace oxboard::kernels {

/** Output rows that are computed together; weights are packed in groups of as many. */
constexpr int kRows = 6;

/** Sweep 1: hidden = W1 * window + b1, and the sums of the hidden values. */
struct ConvolveTile {
  int64_t channels;
  int64_t hiddenRows;
  int64_t frames;  // of the tile
  int64_t dilation;
  const float* window;  // (C, windowStride): the tile with `dilation` frames on both sides
  int64_t windowStride;
  const float* weights;  // [H / 6][C][3 taps][6]
  const float* bias;     // (H), padded to whole groups
  float* hidden;         // (H, hiddenStride) from the tile's first frame on
  int64_t hiddenStride;
  double* total;  // sums over all hidden values are added here
  double* squares;
};

/** Sweep 2: hidden = GELU(hidden * factor + offset) in place, and its sums S and products G. */
struct ActivateTile {
  int64_t hiddenRows;
  int64_t frames;
  float* hidden;
  int64_t hiddenStride;
  const float* factor;  // (H)
  const float* offset;  // (H)
  double* rows;         // S: (H)
  double* products;     // G: (H, H), lower triangle
};

/** Sweep 3: output = input + scale * values * sigmoid(gates). */
struct ProjectTile {
  int64_t channels;
  int64_t hiddenRows;
  int64_t frames;
  const float* hidden;
  int64_t hiddenStride;
  const float* weights;  // [C / 3][H][3 values, 3 gates]
  const float* offsets;  // [C / 3][3 values, 3 gates]
  const float* scale;    // (C)
  const float* input;    // (C, rowStride) from the tile's first frame on
  float* output;         // likewise
  int64_t rowStride;
};

struct DConvKernels {
  // Frames that one round of the loops covers. Hidden rows and windows must hold whole rounds;
  // what lies beyond the tile in them does not matter.
  int64_t step;
  void (*convolve)(const ConvolveTile& tile);
  void (*activate)(const ActivateTile& tile);
  void (*project)(const ProjectTile& tile);
};

}  // namespace oxboard::kernels
