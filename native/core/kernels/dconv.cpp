#include "dconv.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "dconv_kernels.h"

// A row (C, T) is cut into tiles along T, and three sweeps go over them:
//   1. the dilated convolution to H hidden rows, and their sums for the first norm;
//   2. that norm and GELU in place, and sums and products of the hidden rows;
//   3. the second convolution with the second norm folded into its weights, GLU, scale, residual.
// The second norm needs mean and variance of the 2C rows W2 h + b2, which are never stored: they
// follow from the sums S and the products G of the hidden rows,
//   sum(y_c) = w_c S + T b_c,   sum(y_c^2) = w_c G w_c + 2 b_c (w_c S) + T b_c^2.

namespace oxboard::kernels {
namespace {

// Steps in a tile: few enough that the tiles of every channel stay in the second-level cache.
constexpr int64_t kStepsPerTile = 4;

/** Sums over hidden rows that the norms need. */
struct Sums {
  explicit Sums(int64_t hidden) : rows(hidden, 0.0), products(hidden * hidden, 0.0) {}

  void add(const Sums& other) {
    total += other.total;
    squares += other.squares;
    for (size_t i = 0; i < rows.size(); ++i) rows[i] += other.rows[i];
    for (size_t i = 0; i < products.size(); ++i) products[i] += other.products[i];
  }

  double total = 0;
  double squares = 0;
  std::vector<double> rows;      // S
  std::vector<double> products;  // G, lower triangle
};

/** A norm as a factor and an offset per row. */
struct Affine {
  std::vector<float> factor;
  std::vector<float> offset;
};

/** W2 with the second norm folded in, packed in pairs of value and gate rows. */
struct Gate {
  std::vector<float> weights;
  std::vector<float> offsets;
};

int64_t divideUp(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

/** The group norm of `count` values (one group) over `rows` rows. */
Affine foldNorm(double total, double squares, double count, double epsilon, const float* weight,
                const float* bias, int64_t rows) {
  const double mean = total / count;
  const double variance = std::max(squares / count - mean * mean, 0.0);
  const double inverse = 1 / std::sqrt(variance + epsilon);
  Affine affine;
  for (int64_t row = 0; row < rows; ++row) {
    affine.factor.push_back(static_cast<float>(weight[row] * inverse));
    affine.offset.push_back(static_cast<float>(bias[row] - mean * weight[row] * inverse));
  }
  return affine;
}

class DConvRunner {
 public:
  DConvRunner(const DConvLayer& layer, const DConvKernels& kernels)
      : layer_(layer),
        kernels_(kernels),
        tile_(kStepsPerTile * kernels.step),
        tiles_(divideUp(layer.frames, tile_)),
        hiddenStride_(tiles_ * tile_),
        windowStride_(tile_ + 2 * layer.dilation) {
    const int64_t columns = layer.channels * 3;
    const int64_t groups = divideUp(layer.hidden, kRows);
    weights1_.assign(groups * columns * kRows, 0.0f);
    bias1_.assign(groups * kRows, 0.0f);
    for (int64_t row = 0; row < layer.hidden; ++row) {
      bias1_[row] = layer.bias1[row];
      for (int64_t column = 0; column < columns; ++column) {
        weights1_[(row / kRows * columns + column) * kRows + row % kRows] =
            layer.weight1[row * columns + column];
      }
    }
  }

  void run() const {
    const int64_t threads = at::get_num_threads();
    if (layer_.batch >= 2 * threads) {
      // Many rows: each stays with one thread, in the cache of its core.
      at::parallel_for(0, layer_.batch, 1, [&](int64_t from, int64_t to) {
        std::vector<float> hidden = hiddenRows();
        std::vector<float> window = windowRows();
        for (int64_t row = from; row < to; ++row) {
          runRow(row, hidden.data(), [&](const auto& work) {
            Sums sums(layer_.hidden);
            for (int64_t tile = 0; tile < tiles_; ++tile) work(tile, window.data(), sums);
            return sums;
          });
        }
      });
      return;
    }
    // Few long rows: the threads share the tiles of one, in runs that do not depend on timing.
    std::vector<float> hidden = hiddenRows();
    const int64_t parts = std::min(threads, tiles_);
    for (int64_t row = 0; row < layer_.batch; ++row) {
      runRow(row, hidden.data(), [&](const auto& work) {
        std::vector<Sums> sums(parts, Sums(layer_.hidden));
        at::parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
          std::vector<float> window = windowRows();
          for (int64_t part = from; part < to; ++part) {
            const int64_t end = (part + 1) * tiles_ / parts;
            for (int64_t tile = part * tiles_ / parts; tile < end; ++tile) {
              work(tile, window.data(), sums[part]);
            }
          }
        });
        for (int64_t part = 1; part < parts; ++part) sums[0].add(sums[part]);
        return sums[0];
      });
    }
  }

 private:
  std::vector<float> hiddenRows() const {
    return std::vector<float>(layer_.hidden * hiddenStride_);
  }
  std::vector<float> windowRows() const {
    return std::vector<float>(layer_.channels * windowStride_);
  }
  int64_t begin(int64_t tile) const { return tile * tile_; }
  int64_t length(int64_t tile) const { return std::min(tile_, layer_.frames - begin(tile)); }

  /** `sweep` calls its argument for every tile of the row and returns the sums of all. */
  template <typename Sweep>
  void runRow(int64_t row, float* hidden, const Sweep& sweep) const {
    const int64_t offset = row * layer_.batchStride;
    const float* input = layer_.input + offset;
    float* output = layer_.output + offset;

    const Sums first = sweep([&](int64_t tile, float* window, Sums& sums) {
      fillWindow(input, tile, window);
      kernels_.convolve({layer_.channels, layer_.hidden, length(tile), layer_.dilation, window,
                         windowStride_, weights1_.data(), bias1_.data(), hidden + begin(tile),
                         hiddenStride_, &sums.total, &sums.squares});
    });
    const Affine norm =
        foldNorm(first.total, first.squares, static_cast<double>(layer_.hidden * layer_.frames),
                 layer_.epsilon1, layer_.normWeight1, layer_.normBias1, layer_.hidden);
    const Sums second = sweep([&](int64_t tile, float*, Sums& sums) {
      kernels_.activate({layer_.hidden, length(tile), hidden + begin(tile), hiddenStride_,
                         norm.factor.data(), norm.offset.data(), sums.rows.data(),
                         sums.products.data()});
    });
    const Gate gate = foldGate(second);
    sweep([&](int64_t tile, float*, Sums&) {
      kernels_.project({layer_.channels, layer_.hidden, length(tile), hidden + begin(tile),
                        hiddenStride_, gate.weights.data(), gate.offsets.data(), layer_.scale,
                        input + begin(tile), output + begin(tile), layer_.channelStride});
    });
  }

  /** Copies a tile and its neighbours, with zeros beyond the ends of the row. */
  void fillWindow(const float* input, int64_t tile, float* window) const {
    const int64_t start = begin(tile) - layer_.dilation;
    const int64_t first = std::max<int64_t>(start, 0);
    const int64_t last = std::min(start + windowStride_, layer_.frames);
    for (int64_t c = 0; c < layer_.channels; ++c) {
      float* target = window + c * windowStride_;
      std::fill_n(target, first - start, 0.0f);
      std::copy_n(input + c * layer_.channelStride + first, last - first, target + (first - start));
      std::fill(target + (last - start), target + windowStride_, 0.0f);
    }
  }

  Gate foldGate(const Sums& sums) const {
    const int64_t rows = 2 * layer_.channels;
    const int64_t hidden = layer_.hidden;
    const auto frames = static_cast<double>(layer_.frames);
    double total = 0;
    double squares = 0;
    for (int64_t row = 0; row < rows; ++row) {
      const float* w = layer_.weight2 + row * hidden;
      double linear = 0;
      double quadratic = 0;
      for (int64_t a = 0; a < hidden; ++a) {
        linear += w[a] * sums.rows[a];
        double cross = 0.5 * w[a] * sums.products[a * hidden + a];
        for (int64_t b = 0; b < a; ++b) cross += w[b] * sums.products[a * hidden + b];
        quadratic += 2 * w[a] * cross;
      }
      const double bias = layer_.bias2[row];
      total += linear + frames * bias;
      squares += quadratic + 2 * bias * linear + frames * bias * bias;
    }
    const Affine norm = foldNorm(total, squares, frames * static_cast<double>(rows),
                                 layer_.epsilon2, layer_.normWeight2, layer_.normBias2, rows);

    constexpr int64_t kPairs = kRows / 2;
    const int64_t groups = divideUp(layer_.channels, kPairs);
    Gate gate;
    gate.weights.assign(groups * hidden * kRows, 0.0f);
    gate.offsets.assign(groups * kRows, 0.0f);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t channel = row % layer_.channels;
      const int64_t group = channel / kPairs;
      const int64_t lane = channel % kPairs + row / layer_.channels * kPairs;
      const float factor = norm.factor[row];
      gate.offsets[group * kRows + lane] = layer_.bias2[row] * factor + norm.offset[row];
      for (int64_t j = 0; j < hidden; ++j) {
        gate.weights[(group * hidden + j) * kRows + lane] =
            layer_.weight2[row * hidden + j] * factor;
      }
    }
    return gate;
  }

  const DConvLayer& layer_;
  const DConvKernels& kernels_;
  int64_t tile_;  // frames
  int64_t tiles_;
  int64_t hiddenStride_;  // frames between two hidden rows
  int64_t windowStride_;  // frames between two rows of a window
  std::vector<float> weights1_;
  std::vector<float> bias1_;
};

}  // namespace

void dconvLayer(const DConvLayer& layer, const KernelSet& kernels) {
  DConvRunner(layer, kernels.dconv).run();
}

}  // namespace oxboard::kernels
