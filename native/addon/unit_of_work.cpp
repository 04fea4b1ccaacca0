#include "unit_of_work.h"

#include <utility>
#include <vector>

#include "compute_thread.h"
#include "js_error.h"
#include "network.h"

namespace oxboard {

class UnitOfWork::Worker final : public Napi::AsyncWorker {
 public:
  explicit Worker(std::unique_ptr<UnitOfWork> unit)
      : Napi::AsyncWorker(unit->env_, "oxboard"), unit_(std::move(unit)) {}

  void Execute() override {
    // Nothing may leave here: the addon framework knows std::exception only.
    try {
      ComputeThread::named(unit_->device_).run(unit_->work_);
    } catch (const Error& error) {
      fail(error.code(), error.what());
    } catch (const std::bad_alloc&) {
      fail(ErrorCode::kOutOfMemory, "Not enough memory");
    } catch (const std::exception& error) {
      fail(ErrorCode::kInternal, libtorchReason(error));
    } catch (...) {
      fail(ErrorCode::kInternal, "an exception of unknown type");
    }
    // What the work captured (tensors, models) goes while the device is still ours.
    unit_->work_ = nullptr;
    DeviceSlots::instance().release(unit_->device_);
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    if (!failed_) {
      unit_->deferred_.Resolve(unit_->result_(Env()));
    } else {
      unit_->deferred_.Reject(jsError(Env(), code_, message_).Value());
    }
  }

 private:
  void fail(ErrorCode code, const std::string& message) {
    failed_ = true;
    code_ = code;
    message_ = message;
  }

  std::unique_ptr<UnitOfWork> unit_;
  bool failed_ = false;
  ErrorCode code_ = ErrorCode::kInternal;
  std::string message_;
};

EnvironmentState::EnvironmentState(Napi::Env env) : env_(env) {
  const auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  wakeFunction_ = Napi::ThreadSafeFunction::New(env, nothing, "oxboard device slots", 0, 1);
  wakeFunction_.Unref(env);
  env.AddCleanupHook([this] {
    abandonAll();
    wakeFunction_.Abort();
  });
}

EnvironmentState& EnvironmentState::of(Napi::Env env) {
  return *env.GetInstanceData<EnvironmentState>();
}

void EnvironmentState::wake() {
  wakeFunction_.NonBlockingCall([this](Napi::Env, Napi::Function nothing) {
    try {
      nothing.Call({});
    } catch (...) {
      // JavaScript can no longer run here: worker.terminate() drains what is queued.
      abandonAll();
      return;
    }
    startGranted();
  });
}

void EnvironmentState::add(UnitOfWork* unit) {
  // A waiting unit must keep the event loop alive, as running work does.
  if (units_.empty()) wakeFunction_.Ref(env_);
  units_.insert(unit);
}

void EnvironmentState::remove(UnitOfWork* unit) {
  units_.erase(unit);
  if (units_.empty()) wakeFunction_.Unref(env_);
}

void EnvironmentState::startGranted() {
  std::vector<UnitOfWork*> granted;
  for (UnitOfWork* unit : units_) {
    if (unit->granted_) granted.push_back(unit);
  }
  for (UnitOfWork* unit : granted) unit->start();
}

bool EnvironmentState::cancelWaiting(const void* owner) {
  std::vector<UnitOfWork*> cancelled;
  for (UnitOfWork* unit : units_) {
    if (unit->owner_ == owner && DeviceSlots::instance().withdraw(unit->device_, unit)) {
      cancelled.push_back(unit);
    }
  }
  for (UnitOfWork* unit : cancelled) {
    unit->deferred_.Reject(jsError(env_, ErrorCode::kAborted, "stopped").Value());
    remove(unit);
    delete unit;
  }
  return !cancelled.empty();
}

void EnvironmentState::abandonAll() {
  for (UnitOfWork* unit : units_) {
    unit->abandon();
    delete unit;
  }
  units_.clear();
}

UnitOfWork::UnitOfWork(Napi::Env env, std::string device, const void* owner, Work work,
                       Result result)
    : env_(env),
      state_(EnvironmentState::of(env)),
      device_(std::move(device)),
      owner_(owner),
      work_(std::move(work)),
      result_(std::move(result)),
      deferred_(Napi::Promise::Deferred::New(env)) {}

Napi::Promise UnitOfWork::run(Napi::Env env, const std::string& device, const void* owner,
                              Work work, Result result) {
  auto* unit = new UnitOfWork(env, device, owner, std::move(work), std::move(result));
  const Napi::Promise promise = unit->deferred_.Promise();
  unit->state_.add(unit);
  DeviceSlots::instance().acquire(unit->device_, unit);
  return promise;
}

void UnitOfWork::slotGranted() {
  granted_ = true;
  state_.wake();
}

void UnitOfWork::start() {
  state_.remove(this);
  auto* worker = new Worker(std::unique_ptr<UnitOfWork>(this));
  worker->Queue();
}

void UnitOfWork::abandon() {
  if (!DeviceSlots::instance().withdraw(device_, this)) DeviceSlots::instance().release(device_);
}

}  // namespace oxboard
