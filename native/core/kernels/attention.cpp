#include "attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace oxboard::kernels {
namespace {

// The scores of a block, its keys and its values stay in the second-level cache together.
constexpr int64_t kQueriesPerBlock = 8 * kTileRows;
constexpr int64_t kKeysPerBlock = 512;
// These stay in the first.
constexpr int64_t kValuesPerPart = 128;

int64_t divideUp(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

class AttentionRunner {
 public:
  AttentionRunner(const Attention& attention, const AttentionKernels& kernels)
      : a_(attention), kernels_(kernels), panels_(divideUp(attention.keys, kernels.panel)) {}

  /** Per head: panels of keys, and values. */
  int64_t packedFloats() const { return panels_ * kernels_.panel * a_.width * 2; }

  void run() const {
    at::parallel_for(0, a_.heads * panels_, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) pack(i / panels_, i % panels_);
    });
    const int64_t blocks = divideUp(a_.queries, kQueriesPerBlock);
    at::parallel_for(0, a_.heads * blocks, 1, [&](int64_t from, int64_t to) {
      Block block(a_.width);
      for (int64_t i = from; i < to; ++i) {
        attend(i / blocks, i % blocks * kQueriesPerBlock, block);
      }
    });
  }

 private:
  struct Block {
    explicit Block(int64_t width)
        : scores(kQueriesPerBlock * kKeysPerBlock), output(kQueriesPerBlock * width) {}
    std::vector<float> scores;
    std::vector<float> output;
    float maximum[kQueriesPerBlock];
    float sum[kQueriesPerBlock];
    float factor[kQueriesPerBlock];
  };

  float* panel(int64_t head, int64_t index) const {
    return a_.scratch + head * packedFloats() + index * a_.width * kernels_.panel;
  }

  float* values(int64_t head, int64_t key) const { return panel(head, panels_) + key * a_.width; }

  /**
   * Keys side by side, scaled; zeros beyond the last. Their values one after the other: in a joint
   * projection they lie kilobytes apart, which caches bear badly.
   */
  void pack(int64_t head, int64_t index) const {
    const int64_t first = index * kernels_.panel;
    const int64_t count = std::min(kernels_.panel, a_.keys - first);
    for (int64_t key = first; key < first + count; ++key) {
      std::copy_n(a_.value.data + head * a_.value.headStride + key * a_.value.rowStride, a_.width,
                  values(head, key));
    }
    float* target = panel(head, index);
    for (int64_t column = 0; column < kernels_.panel; ++column) {
      const float* key =
          a_.key.data + head * a_.key.headStride + (first + column) * a_.key.rowStride;
      for (int64_t k = 0; k < a_.width; ++k) {
        target[k * kernels_.panel + column] = column < count ? key[k] * a_.scale : 0.0f;
      }
    }
  }

  void attend(int64_t head, int64_t first, Block& block) const {
    const int64_t rows = std::min(kQueriesPerBlock, a_.queries - first);
    std::fill_n(block.maximum, kQueriesPerBlock, -std::numeric_limits<float>::infinity());
    std::fill_n(block.sum, kQueriesPerBlock, 0.0f);
    std::fill_n(block.factor, kQueriesPerBlock, 0.0f);
    std::fill(block.output.begin(), block.output.end(), 0.0f);
    for (int64_t key = 0; key < a_.keys; key += kKeysPerBlock) {
      const int64_t keys = std::min(kKeysPerBlock, a_.keys - key);
      score(head, first, rows, key, keys, block);
      for (int64_t row = 0; row < rows; ++row) {
        kernels_.softmax({block.scores.data() + row * kKeysPerBlock, keys, &block.maximum[row],
                          &block.sum[row], &block.factor[row]});
      }
      accumulate(head, rows, key, keys, block);
    }
    for (int64_t row = 0; row < rows; ++row) {
      float* target =
          a_.output.data + head * a_.output.headStride + (first + row) * a_.output.rowStride;
      const float* source = block.output.data() + row * a_.width;
      for (int64_t k = 0; k < a_.width; ++k) target[k] = source[k] / block.sum[row];
    }
  }

  /** Rows `first` to first + 5, the last one repeated: what that gives is not read. */
  static void setRows(ProductTile& tile, const float* data, int64_t stride, int64_t first,
                      int64_t rows) {
    for (int r = 0; r < kTileRows; ++r)
      tile.left[r] = data + std::min(first + r, rows - 1) * stride;
  }

  void score(int64_t head, int64_t first, int64_t rows, int64_t key, int64_t keys,
             Block& block) const {
    const float* queries = a_.query.data + head * a_.query.headStride + first * a_.query.rowStride;
    ProductTile tile{};
    tile.depth = a_.width;
    tile.rightStride = kernels_.panel;
    tile.productStride = kKeysPerBlock;
    // All rows with one panel, which stays in the first-level cache.
    for (int64_t column = 0; column < keys; column += kernels_.panel) {
      tile.right = panel(head, (key + column) / kernels_.panel);
      for (int64_t row = 0; row < rows; row += kTileRows) {
        setRows(tile, queries, a_.query.rowStride, row, rows);
        tile.product = block.scores.data() + row * kKeysPerBlock + column;
        kernels_.multiply(tile);
      }
    }
  }

  void accumulate(int64_t head, int64_t rows, int64_t key, int64_t keys, Block& block) const {
    static constexpr float kOnes[kTileRows] = {1, 1, 1, 1, 1, 1};
    ProductTile tile{};
    tile.rightStride = a_.width;
    tile.productStride = a_.width;
    for (int64_t part = 0; part < keys; part += kValuesPerPart) {
      tile.depth = std::min(kValuesPerPart, keys - part);
      for (int64_t row = 0; row < rows; row += kTileRows) {
        setRows(tile, block.scores.data() + part, kKeysPerBlock, row, rows);
        tile.factors = part == 0 ? block.factor + row : kOnes;
        for (int64_t column = 0; column < a_.width; column += kernels_.panel) {
          tile.right = values(head, key + part) + column;
          tile.product = block.output.data() + row * a_.width + column;
          kernels_.multiply(tile);
        }
      }
    }
  }

  const Attention& a_;
  const AttentionKernels& kernels_;
  int64_t panels_;  // of keys, per head
};

}  // namespace

bool attentionFits(int64_t width, const KernelSet& kernels) {
  return width > 0 && width % kernels.attention.panel == 0;
}

int64_t attentionScratch(const Attention& attention, const KernelSet& kernels) {
  return attention.heads * AttentionRunner(attention, kernels.attention).packedFloats();
}

void attention(const Attention& attention, const KernelSet& kernels) {
  AttentionRunner(attention, kernels.attention).run();
}

}  // namespace oxboard::kernels
