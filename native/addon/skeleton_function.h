// Filling skeletons with published weights, as a function for JavaScript.
#pragma once

#include <napi.h>

namespace oxboard {

/** fillSkeleton(task): Promise<void>, see NativeBinding in src/native.ts. */
Napi::Value fillSkeletonFunction(const Napi::CallbackInfo& info);

}  // namespace oxboard
