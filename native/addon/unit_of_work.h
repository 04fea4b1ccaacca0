// One unit of native work: waits for its device, runs on the libuv threadpool, settles a promise.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "device_slots.h"

namespace oxboard {

class UnitOfWork;

/** State of one JavaScript environment (the main thread or a worker_thread). */
class EnvironmentState {
 public:
  explicit EnvironmentState(Napi::Env env);

  /** The state that the addon's Init stored in the environment. */
  static EnvironmentState& of(Napi::Env env);

  /** Wakes this environment's event loop to start units that own their slot. On any thread. */
  void wake();

  void add(UnitOfWork* unit);
  void remove(UnitOfWork* unit);

  /**
   * Takes the owner's units that wait for their device out of the line and rejects their promises
   * with ABORTED. A unit that already owns its device, or runs, is left alone.
   *
   * @return whether there was one.
   */
  bool cancelWaiting(const void* owner);

  Napi::FunctionReference modelConstructor;
  Napi::FunctionReference sessionConstructor;

 private:
  void startGranted();
  /** Takes every unit out of the line; nobody is told. */
  void abandonAll();

  Napi::Env env_;
  Napi::ThreadSafeFunction wakeFunction_;
  std::set<UnitOfWork*> units_;  // those that have not started yet
};

class UnitOfWork final : public SlotClient {
 public:
  using Work = std::function<void()>;
  using Result = std::function<Napi::Value(Napi::Env)>;

  /**
   * Runs `work` on the device's thread once that is free, while a pool thread waits for it, then
   * `result` on the JavaScript thread.
   *
   * @param owner whoever may cancel the unit, see EnvironmentState::cancelWaiting.
   * @return a promise of what `result` gives; it is rejected with an Error whose `code` is that of
   * the core's error.
   */
  static Napi::Promise run(Napi::Env env, const std::string& device, const void* owner, Work work,
                           Result result);

  void slotGranted() override;

 private:
  friend class EnvironmentState;
  class Worker;

  UnitOfWork(Napi::Env env, std::string device, const void* owner, Work work, Result result);
  void start();
  /** Leaves the line, or gives back a slot that was granted but not used. */
  void abandon();

  Napi::Env env_;
  EnvironmentState& state_;
  std::string device_;
  const void* owner_;
  Work work_;
  Result result_;
  Napi::Promise::Deferred deferred_;
  std::atomic<bool> granted_{false};
};

}  // namespace oxboard
