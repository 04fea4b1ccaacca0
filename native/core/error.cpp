#include "error.h"

namespace oxboard {

const char* errorName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kAborted:
      return "ABORTED";
    case ErrorCode::kDeviceUnavailable:
      return "DEVICE_UNAVAILABLE";
    case ErrorCode::kDiskFull:
      return "DISK_FULL";
    case ErrorCode::kInferenceFailed:
      return "INFERENCE_FAILED";
    case ErrorCode::kInternal:
      return "INTERNAL";
    case ErrorCode::kModelInvalid:
      return "MODEL_INVALID";
    case ErrorCode::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case ErrorCode::kOutputNotFinite:
      return "OUTPUT_NOT_FINITE";
    case ErrorCode::kOutputUnwritable:
      return "OUTPUT_UNWRITABLE";
  }
  return "INTERNAL";
}

}  // namespace oxboard
