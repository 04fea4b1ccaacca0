// The JavaScript object of a loaded bag of networks.
#pragma once

#include <napi.h>

#include <memory>

#include "joint_steps.h"
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

  /** The steps of sessions of this model that wait for the device. */
  std::shared_ptr<JointSteps> steps() const { return steps_; }

 private:
  Napi::Value weightBytes(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<const Model> model_;
  std::shared_ptr<JointSteps> steps_ = std::make_shared<JointSteps>();
  int64_t reportedBytes_ = 0;
};

}  // namespace oxboard
