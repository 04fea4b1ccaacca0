#include "skeleton_function.h"

#include <string>
#include <utility>
#include <vector>

#include "device_slots.h"
#include "skeleton.h"
#include "unit_of_work.h"

namespace oxboard {
namespace {

int64_t integer(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().Int64Value();
}

std::vector<int64_t> integers(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    result.push_back(array.Get(i).As<Napi::Number>().Int64Value());
  }
  return result;
}

Precision precision(const std::string& name) {
  if (name == "F16") return Precision::kFloat16;
  return name == "BF16" ? Precision::kBFloat16 : Precision::kFloat32;
}

PackedIntegers packed(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {integer(object, "offset"), integer(object, "lines"), integer(object, "width"),
          integer(object, "block")};
}

StoredTensor stored(const Napi::Object& object) {
  return {precision(object.Get("dtype").As<Napi::String>()), integer(object, "offset"),
          integer(object, "bytes")};
}

QuantisedTensor quantised(const Napi::Object& object) {
  QuantisedTensor tensor;
  tensor.groupSize = integer(object, "groupSize");
  tensor.groupBits = packed(object.Get("groupBits"));
  tensor.minBits = static_cast<int>(integer(object, "minBits"));
  tensor.minimum = object.Get("minimum").As<Napi::Number>();
  tensor.maximum = object.Get("maximum").As<Napi::Number>();
  const auto levels = object.Get("levels").As<Napi::Array>();
  for (uint32_t i = 0; i < levels.Length(); ++i) {
    const auto entry = levels.Get(i).As<Napi::Object>();
    tensor.levels.push_back(
        {static_cast<int>(integer(entry, "bits")), packed(entry.Get("packed"))});
  }
  return tensor;
}

SkeletonTask describe(const Napi::Object& object) {
  SkeletonTask task;
  if (object.Has("skeleton")) task.skeleton = object.Get("skeleton").As<Napi::String>();
  if (object.Has("script")) task.script = object.Get("script").As<Napi::String>();
  task.weights = object.Get("weights").As<Napi::String>();
  task.out = object.Get("out").As<Napi::String>();
  const auto parameters = object.Get("parameters").As<Napi::Array>();
  for (uint32_t i = 0; i < parameters.Length(); ++i) {
    const auto entry = parameters.Get(i).As<Napi::Object>();
    const std::string name = entry.Get("name").As<Napi::String>();
    if (entry.Has("levels")) {
      task.parameters[name] = quantised(entry);
    } else {
      task.parameters[name] = stored(entry);
    }
    if (entry.Has("shape")) task.shapes[name] = integers(entry.Get("shape"));
  }
  return task;
}

}  // namespace

Napi::Value fillSkeletonFunction(const Napi::CallbackInfo& info) {
  return UnitOfWork::run(
      info.Env(), kLoadSlot, /*owner=*/nullptr,
      [task = describe(info[0].As<Napi::Object>())] { fillSkeleton(task); },
      [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
}

}  // namespace oxboard
