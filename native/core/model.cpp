#include "model.h"

#include <c10/util/Exception.h>

#include "cpu_allocator.h"
#include "error.h"

namespace oxboard {
namespace {

/** Runs the graph on shapes alone and compares what comes out with what the archive says. */
void checkShape(const ModelDescription& description, const std::string& file, int64_t batch,
                int64_t length) {
  const std::vector<int64_t> expected{batch, description.sources, description.channels, length};
  std::vector<int64_t> shape;
  try {
    shape = Network::outputShape(file, {batch, description.channels, length});
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kModelInvalid, file + " does not run at (batch, channels, samples) = (" +
                                              std::to_string(batch) + ", " +
                                              std::to_string(description.channels) + ", " +
                                              std::to_string(length) + "): " + error.what());
  }
  if (shape == expected) return;
  std::string given;
  for (const int64_t size : shape) given += (given.empty() ? "" : ", ") + std::to_string(size);
  throw Error(ErrorCode::kModelInvalid,
              file + " gives shape (" + given + ") where its archive promises (" +
                  std::to_string(batch) + ", " + std::to_string(description.sources) + ", " +
                  std::to_string(description.channels) + ", " + std::to_string(length) + ")");
}

}  // namespace

Model::Model(ModelDescription description, std::string device, int threads)
    : description_(std::move(description)), device_(std::move(device)), threads_(threads) {
  for (const ModelDescription::Member& member : description_.members) {
    checkShape(description_, member.file, 1, description_.segment);
    if (description_.minLength != description_.segment) {
      checkShape(description_, member.file, 2, description_.minLength);
    }
    networks_.push_back(std::make_unique<Network>(member.file, device_));
  }
}

int64_t Model::weightBytes() const {
  int64_t bytes = 0;
  for (const auto& network : networks_) bytes += network->weightBytes();
  return bytes;
}

}  // namespace oxboard
