// The core's errors as JavaScript errors.
#pragma once

#include <napi.h>

#include "error.h"

namespace oxboard {

/** An Error with the message, and the name of the code as its `code`. */
inline Napi::Error jsError(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", errorName(code));
  return error;
}

}  // namespace oxboard
