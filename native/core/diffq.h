// Weights as DiffQ stores them: levels of as many bits as each group of weights needs, packed by
// bit. Restored exactly as diffq 0.2 does.
#pragma once

#include <cstdint>
#include <vector>

#include "weights_file.h"

namespace oxboard {

/** Integers of `width` bits in words of 64: of each line, `width` rows of `block` words. */
struct PackedIntegers {
  int64_t offset = 0;  // bytes from the start of the file
  int64_t lines = 0;
  int64_t width = 0;
  int64_t block = 0;
};

struct QuantisedTensor {
  /** Levels of all groups that have `bits` bits, in the order of the groups. */
  struct Levels {
    int bits = 0;
    PackedIntegers packed;
  };
  int64_t groupSize = 0;
  PackedIntegers groupBits;  // bits of each group, less `minBits`
  int minBits = 0;
  std::vector<Levels> levels;
  double minimum = 0;
  double maximum = 0;
};

/**
 * @return float32 of that shape.
 * @throws Error kModelInvalid when the packed numbers are not those of a tensor of that shape.
 */
at::Tensor restoreQuantised(const WeightsFile& file, const QuantisedTensor& stored,
                            c10::ArrayRef<int64_t> shape);

}  // namespace oxboard
