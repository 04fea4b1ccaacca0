// Entry point of the addon: what JavaScript sees. Its types are in src/native.ts.
#include <napi.h>

#include <string>

#include "cpu_allocator.h"
#include "devices.h"
#include "error.h"
#include "gpu_status.h"
#include "js_error.h"
#include "model_object.h"
#include "session_object.h"
#include "skeleton_function.h"
#include "unit_of_work.h"

namespace oxboard {
namespace {

Napi::Value devices(const Napi::CallbackInfo& info) {
  const auto names = Napi::Array::New(info.Env());
  for (const std::string& device : availableDevices()) names.Set(names.Length(), device);
  return names;
}

Napi::Value resolve(const Napi::CallbackInfo& info) {
  try {
    return Napi::String::New(info.Env(), resolveDevice(info[0].As<Napi::String>()));
  } catch (const Error& error) {
    throw jsError(info.Env(), error.code(), error.what());
  }
}

Napi::Value gpu(const Napi::CallbackInfo& info) {
  const GpuStatus status = gpuStatus();
  const auto gpus = Napi::Array::New(info.Env());
  for (const Gpu& one : status.gpus) {
    const auto entry = Napi::Object::New(info.Env());
    entry.Set("name", one.name);
    entry.Set("memoryBytes", static_cast<double>(one.memoryBytes));
    gpus.Set(gpus.Length(), entry);
  }
  const auto result = Napi::Object::New(info.Env());
  result.Set("cuda", status.cuda);
  result.Set("driverCuda", status.driverCuda);
  result.Set("gpus", gpus);
  result.Set("reason", status.reason);
  return result;
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  const MemoryArena::Stats stats = cpuMemoryStats();
  const auto result = Napi::Object::New(info.Env());
  result.Set("capacity", static_cast<double>(stats.capacity));
  result.Set("inUse", static_cast<double>(stats.inUse));
  result.Set("peakInUse", static_cast<double>(stats.peakInUse));
  result.Set("models", Model::live());
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  installCpuAllocator();
  defaultThreads();
  auto* state = new EnvironmentState(env);
  env.SetInstanceData(state);
  state->modelConstructor = Napi::Persistent(ModelObject::define(env));
  state->sessionConstructor = Napi::Persistent(SessionObject::define(env));

  exports.Set("libtorchVersion", libtorchVersion());
  exports.Set("defaultThreads", defaultThreads());
  exports.Set("devices", Napi::Function::New(env, devices));
  exports.Set("resolveDevice", Napi::Function::New(env, resolve));
  exports.Set("gpu", Napi::Function::New(env, gpu));
  exports.Set("memory", Napi::Function::New(env, memory));
  exports.Set("loadModel", Napi::Function::New(env, ModelObject::load));
  exports.Set("fillSkeleton", Napi::Function::New(env, fillSkeletonFunction));
  exports.Set("Session", state->sessionConstructor.Value());
  return exports;
}

}  // namespace
}  // namespace oxboard

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return oxboard::init(env, exports);
}

NODE_API_MODULE(oxboard, InitAddon)
