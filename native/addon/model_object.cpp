#include "model_object.h"

#include <string>
#include <utility>
#include <vector>

#include "devices.h"
#include "unit_of_work.h"

namespace oxboard {
namespace {

ModelDescription describe(const Napi::Object& object) {
  ModelDescription description;
  description.name = object.Get("name").As<Napi::String>();
  description.sources = object.Get("sources").As<Napi::Number>();
  description.channels = object.Get("channels").As<Napi::Number>();
  description.sampleRate = object.Get("sampleRate").As<Napi::Number>();
  description.segment = object.Get("segment").As<Napi::Number>();
  description.minLength = object.Get("minLength").As<Napi::Number>();
  if (object.Has("overlapAdd")) {
    const auto join = object.Get("overlapAdd").As<Napi::Object>();
    description.overlapAdd = {join.Get("overlap").As<Napi::Number>(),
                              join.Get("lead").As<Napi::Number>()};
  }
  const auto members = object.Get("members").As<Napi::Array>();
  for (uint32_t i = 0; i < members.Length(); ++i) {
    const auto entry = members.Get(i).As<Napi::Object>();
    ModelDescription::Member member;
    member.file = entry.Get("file").As<Napi::String>();
    const auto weights = entry.Get("weights").As<Napi::Array>();
    for (uint32_t k = 0; k < weights.Length(); ++k) {
      member.weights.push_back(weights.Get(k).As<Napi::Number>());
    }
    description.members.push_back(std::move(member));
  }
  return description;
}

std::vector<std::string> strings(const Napi::Array& array) {
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < array.Length(); ++i) texts.push_back(array.Get(i).As<Napi::String>());
  return texts;
}

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {InstanceAccessor<&ModelObject::weightBytes>("weightBytes"),
                      InstanceMethod<&ModelObject::dispose>("dispose")});
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelObject>(info) {
  auto* model = info[0].As<Napi::External<std::shared_ptr<const Model>>>().Data();
  model_ = *model;
  // The garbage collector must know of memory that it cannot see, or it waits too long.
  reportedBytes_ = model_->weightBytes();
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reportedBytes_);
}

void ModelObject::Finalize(Napi::BasicEnv env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -reportedBytes_);
}

Napi::Value ModelObject::load(const Napi::CallbackInfo& info) {
  const ModelDescription description = describe(info[0].As<Napi::Object>());
  const std::string device = info[1].As<Napi::String>();
  const int threads = info[2].As<Napi::Number>();
  const Optimizations optimizations = Optimizations::named(strings(info[3].As<Napi::Array>()));
  const DeviceOptions deviceOptions{info[4].ToBoolean()};
  auto loaded = std::make_shared<std::shared_ptr<const Model>>();
  return UnitOfWork::run(
      info.Env(), kLoadSlot, /*owner=*/nullptr,
      [=] {
        *loaded = std::make_shared<const Model>(description, openDevice(device, deviceOptions),
                                                threads, optimizations);
      },
      [loaded](Napi::Env env) -> Napi::Value {
        return EnvironmentState::of(env).modelConstructor.New(
            {Napi::External<std::shared_ptr<const Model>>::New(env, loaded.get())});
      });
}

Napi::Value ModelObject::weightBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(reportedBytes_));
}

void ModelObject::dispose(const Napi::CallbackInfo& info) {
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -reportedBytes_);
  reportedBytes_ = 0;
  model_.reset();
}

}  // namespace oxboard
