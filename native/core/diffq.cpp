#include "diffq.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "error.h"

namespace oxboard {
namespace {

constexpr int64_t kWordBits = 64;
constexpr int64_t kMaxBlock = 4096;
constexpr int kMaxBits = 15;

Error damaged(const WeightsFile& file, const std::string& what) {
  return {ErrorCode::kModelInvalid, file.path() + " holds quantised weights " + what};
}

/** The first `count` integers. */
std::vector<int16_t> unpack(const WeightsFile& file, const PackedIntegers& packed, int64_t count) {
  const auto [offset, lines, width, block] = packed;
  if (block < 1 || block > kMaxBlock || width < 0 || width > kMaxBits) {
    throw damaged(file, "in blocks of an impossible size");
  }
  const int64_t perLine = block * kWordBits;
  if (lines != (count + perLine - 1) / perLine) throw damaged(file, "of another number than due");
  const int64_t wordsPerLine = width * block;
  file.checkRange(offset, lines * wordsPerLine * static_cast<int64_t>(sizeof(uint64_t)));

  std::vector<int16_t> values(lines * perLine);
  std::vector<uint64_t> words(wordsPerLine);
  const auto lineBytes = static_cast<int64_t>(words.size() * sizeof(uint64_t));
  for (int64_t line = 0; line < lines; ++line) {
    file.read(offset + line * lineBytes, lineBytes, words.data());
    int16_t* const target = values.data() + line * perLine;
    for (int64_t bit = 0; bit < width; ++bit) {
      const uint64_t* const row = words.data() + bit * block;
      for (int64_t position = 0; position < kWordBits; ++position) {
        int16_t* const out = target + position * block;
        for (int64_t index = 0; index < block; ++index) {
          out[index] = static_cast<int16_t>(out[index] | ((row[index] >> position & 1) << bit));
        }
      }
    }
  }
  values.resize(count);
  return values;
}

std::vector<int16_t> unpackGroupBits(const WeightsFile& file, const QuantisedTensor& stored,
                                     int64_t groups) {
  std::vector<int16_t> bits = unpack(file, stored.groupBits, groups);
  for (int16_t& value : bits) {
    const int64_t sum = int64_t{value} + stored.minBits;
    if (sum < 1 || sum > kMaxBits) {
      throw damaged(file, "of " + std::to_string(sum) + " bits");
    }
    value = static_cast<int16_t>(sum);
  }
  return bits;
}

}  // namespace

at::Tensor restoreQuantised(const WeightsFile& file, const QuantisedTensor& stored,
                            c10::ArrayRef<int64_t> shape) {
  const int64_t count = c10::multiply_integers(shape);
  if (stored.groupSize < 1 || count % stored.groupSize != 0) {
    throw damaged(file, "in groups that do not fill their tensor");
  }
  const int64_t groups = count / stored.groupSize;
  const std::vector<int16_t> bits = unpackGroupBits(file, stored, groups);

  std::array<int64_t, kMaxBits + 1> groupsOf{};
  for (const int16_t value : bits) ++groupsOf[value];
  std::array<std::vector<int16_t>, kMaxBits + 1> levelsOf;
  for (const auto& [width, packed] : stored.levels) {
    if (width < 1 || width > kMaxBits || groupsOf[width] == 0 || !levelsOf[width].empty()) {
      throw damaged(file, "that no group of weights has");
    }
    levelsOf[width] = unpack(file, packed, groupsOf[width] * stored.groupSize);
  }

  at::Tensor levels = at::empty({groups, stored.groupSize}, at::kShort);
  auto* out = levels.data_ptr<int16_t>();
  std::array<int64_t, kMaxBits + 1> taken{};
  for (const int16_t value : bits) {
    const std::vector<int16_t>& source = levelsOf[value];
    // diffq 0.2 itself leaves groups of 15 bits out when it packs, and restores them from chance.
    if (source.empty()) throw damaged(file, "without the levels of some groups");
    std::copy_n(source.data() + taken[value], stored.groupSize, out);
    taken[value] += stored.groupSize;
    out += stored.groupSize;
  }

  // In diffq's order of operations, each of which rounds to float32.
  const at::Tensor width =
      at::from_blob(const_cast<int16_t*>(bits.data()), {groups, 1}, at::kShort).to(at::kFloat);
  const at::Tensor unit = at::reciprocal(at::pow(2, width) - 1);
  at::Tensor weights = levels.to(at::kFloat).mul_(unit);
  return weights.mul_(stored.maximum - stored.minimum).add_(stored.minimum).view(shape);
}

}  // namespace oxboard
