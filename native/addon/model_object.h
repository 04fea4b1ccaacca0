// The JavaScript object of a loaded bag of networks.
#pragma once

#include <napi.h>

#include <memory>

#include "model.h"

namespace oxboard {

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);

  /**
   * load(description, device, threads, optimizations, tf32): Promise<ModelObject>, see
   * NativeBinding in src/native.ts.
   */
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit ModelObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override;

  /** The model, or nullptr once it is disposed of. */
  std::shared_ptr<const Model> model() const { return model_; }

 private:
  Napi::Value weightBytes(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<const Model> model_;
  int64_t reportedBytes_ = 0;
};

}  // namespace oxboard
