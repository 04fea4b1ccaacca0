// The JavaScript object of one separation.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "joint_steps.h"
#include "session.h"

namespace oxboard {

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env);

  /** new Session(model, plan), see NativeBinding in src/native.ts. */
  explicit SessionObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value inputStart(const Napi::CallbackInfo& info);
  Napi::Value framesWanted(const Napi::CallbackInfo& info);
  Napi::Value nextMember(const Napi::CallbackInfo& info);
  Napi::Value framesReady(const Napi::CallbackInfo& info);
  Napi::Value done(const Napi::CallbackInfo& info);
  Napi::Value chunksDone(const Napi::CallbackInfo& info);
  Napi::Value chunksTotal(const Napi::CallbackInfo& info);
  Napi::Value push(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  /** The session, for a call that must not meet a running step. Throws into JavaScript if so. */
  Session& idle(const Napi::CallbackInfo& info);
  Session& open(const Napi::CallbackInfo& info);

  std::shared_ptr<Session> session_;
  std::shared_ptr<JointSteps> steps_;  // of its model
  // The step that was announced last.
  std::weak_ptr<JointSteps::Request> waiting_;
  // Set by the JavaScript thread, cleared by the pool thread when the step has ended.
  std::shared_ptr<std::atomic<bool>> running_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace oxboard
