// The errors of the engine. Their names are the codes of src/errors.ts.
#pragma once

#include <stdexcept>
#include <string>

namespace oxboard {

enum class ErrorCode {
  kAborted,
  kDeviceUnavailable,
  kDiskFull,
  kInferenceFailed,
  kInternal,
  kModelInvalid,
  kOutOfMemory,
  kOutputNotFinite,
  kOutputUnwritable,
};

/** The name by which TypeScript knows an error, such as "OUT_OF_MEMORY". */
const char* errorName(ErrorCode code);

/** An error with a code and a message written for people. */
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace oxboard
