// Numbers out of a file of weights that nobody vouches for. Which tensor lies where is TypeScript's
// to say (src/models/safetensors.ts); every range is checked here against the file itself.
#pragma once

#include <cstdint>
#include <string>

namespace at {
class Tensor;
}
namespace c10 {
template <typename T>
class ArrayRef;
}

namespace oxboard {

/** The number formats of published weights. */
enum class Precision { kFloat16, kBFloat16, kFloat32 };

/** Where a tensor's numbers lie, row by row and little-endian. */
struct StoredTensor {
  Precision precision = Precision::kFloat32;
  int64_t offset = 0;  // bytes from the start of the file
  int64_t bytes = 0;
};

class WeightsFile {
 public:
  /** @throws Error kModelInvalid when the file cannot be opened. */
  explicit WeightsFile(const std::string& path);
  ~WeightsFile();
  WeightsFile(const WeightsFile&) = delete;
  WeightsFile& operator=(const WeightsFile&) = delete;

  /**
   * Reads exactly `bytes` bytes into `destination`.
   *
   * @throws Error kModelInvalid when the range is not inside the file or cannot be read.
   */
  void read(int64_t offset, int64_t bytes, void* destination) const;

  /** @throws Error kModelInvalid unless the range lies inside the file. */
  void checkRange(int64_t offset, int64_t bytes) const;

  /**
   * Reads a tensor as float32.
   *
   * @throws Error kModelInvalid when the stored bytes are not those of that shape.
   */
  at::Tensor readTensor(const StoredTensor& stored, c10::ArrayRef<int64_t> shape) const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_;
  int64_t size_ = 0;
};

}  // namespace oxboard
