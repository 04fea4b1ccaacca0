#include "weights_file.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.h"

namespace oxboard {
namespace {

at::ScalarType scalarType(Precision precision) {
  switch (precision) {
    case Precision::kFloat16:
      return at::kHalf;
    case Precision::kBFloat16:
      return at::kBFloat16;
    case Precision::kFloat32:
      return at::kFloat;
  }
  return at::kFloat;
}

}  // namespace

WeightsFile::WeightsFile(const std::string& path) : path_(path) {
  // A pipe in the place of the file must not hold up the thread.
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info {};
  if (descriptor_ < 0 || fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    const std::string reason = descriptor_ < 0 ? std::strerror(errno) : "it is no file";
    if (descriptor_ >= 0) close(descriptor_);
    throw Error(ErrorCode::kModelInvalid, path + " cannot be read: " + reason);
  }
  size_ = info.st_size;
}

WeightsFile::~WeightsFile() { close(descriptor_); }

void WeightsFile::checkRange(int64_t offset, int64_t bytes) const {
  if (offset < 0 || bytes < 0 || offset > size_ || bytes > size_ - offset) {
    throw Error(ErrorCode::kModelInvalid, path_ + " ends before one of its tensors does");
  }
}

void WeightsFile::read(int64_t offset, int64_t bytes, void* destination) const {
  checkRange(offset, bytes);
  auto* target = static_cast<char*>(destination);
  // Not mapped into memory: a file that shrinks meanwhile would kill the process.
  while (bytes > 0) {
    const ssize_t count = pread(descriptor_, target, static_cast<size_t>(bytes), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const std::string reason = count < 0 ? std::strerror(errno) : "it became shorter";
      throw Error(ErrorCode::kModelInvalid, path_ + " cannot be read: " + reason);
    }
    target += count;
    offset += count;
    bytes -= count;
  }
}

at::Tensor WeightsFile::readTensor(const StoredTensor& stored, c10::ArrayRef<int64_t> shape) const {
  const at::ScalarType type = scalarType(stored.precision);
  const auto itemBytes = static_cast<int64_t>(c10::elementSize(type));
  // Divided and not multiplied, so that nothing can overflow; and before anything is allocated.
  if (stored.bytes % itemBytes != 0 || stored.bytes / itemBytes != c10::multiply_integers(shape)) {
    throw Error(ErrorCode::kModelInvalid, path_ + " holds a tensor of another size than its shape");
  }
  checkRange(stored.offset, stored.bytes);
  at::Tensor tensor = at::empty(shape, type);
  read(stored.offset, stored.bytes, tensor.data_ptr());
  return tensor.to(at::kFloat);
}

}  // namespace oxboard
