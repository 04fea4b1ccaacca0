#include "session_object.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "js_error.h"
#include "model_object.h"
#include "unit_of_work.h"

namespace oxboard {
namespace {

std::vector<double> numbers(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<double> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    result.push_back(array.Get(i).As<Napi::Number>().DoubleValue());
  }
  return result;
}

PlanOptions planOptions(const Napi::Object& object, const ModelDescription& model) {
  PlanOptions options;
  options.length = object.Get("length").As<Napi::Number>();
  options.networkLength = model.segment;
  options.minLength = model.minLength;
  options.overlapAdd = model.overlapAdd;
  options.segment = object.Get("segment").As<Napi::Number>();
  options.overlap = object.Get("overlap").As<Napi::Number>();
  options.transitionPower = object.Get("transitionPower").As<Napi::Number>();
  options.maxShift = object.Get("maxShift").As<Napi::Number>();
  options.batchSize = object.Get("batchSize").As<Napi::Number>();
  options.resumeFrom = object.Get("resumeFrom").As<Napi::Number>();
  for (const ModelDescription::Member& member : model.members) {
    options.memberWeights.push_back(member.weights);
  }
  for (const double source : numbers(object.Get("sources"))) {
    options.sources.push_back(static_cast<int>(source));
  }
  const auto shifts = object.Get("shiftOffsets").As<Napi::Array>();
  for (uint32_t member = 0; member < shifts.Length(); ++member) {
    const std::vector<double> offsets = numbers(shifts.Get(member));
    options.shiftOffsets.emplace_back(offsets.begin(), offsets.end());
  }
  return options;
}

Napi::Object toObject(Napi::Env env, const BatchReport& report) {
  const auto object = Napi::Object::New(env);
  object.Set("shrunkTo", static_cast<double>(report.shrunkTo));
  object.Set("onCpu", static_cast<double>(report.onCpu));
  return object;
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeSession",
      {InstanceAccessor<&SessionObject::inputStart>("inputStart"),
       InstanceAccessor<&SessionObject::framesWanted>("framesWanted"),
       InstanceAccessor<&SessionObject::nextMember>("nextMember"),
       InstanceAccessor<&SessionObject::framesReady>("framesReady"),
       InstanceAccessor<&SessionObject::done>("done"),
       InstanceAccessor<&SessionObject::chunksDone>("chunksDone"),
       InstanceAccessor<&SessionObject::chunksTotal>("chunksTotal"),
       InstanceMethod<&SessionObject::push>("push"), InstanceMethod<&SessionObject::step>("step"),
       InstanceMethod<&SessionObject::take>("take"), InstanceMethod<&SessionObject::stop>("stop"),
       InstanceMethod<&SessionObject::dispose>("dispose")});
}

SessionObject::SessionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SessionObject>(info) {
  const ModelObject* object = ModelObject::Unwrap(info[0].As<Napi::Object>());
  const std::shared_ptr<const Model> model = object->model();
  if (!model) throw Napi::Error::New(info.Env(), "the model is disposed of");
  steps_ = object->steps();
  const auto plan = info[1].As<Napi::Object>();
  SongStatistics statistics;
  statistics.mean = plan.Get("mean").As<Napi::Number>();
  statistics.deviation = plan.Get("deviation").As<Napi::Number>();
  statistics.silent = plan.Get("silent").As<Napi::Boolean>();
  try {
    session_ =
        std::make_shared<Session>(model, planOptions(plan, model->description()), statistics);
  } catch (const Error& error) {
    throw jsError(info.Env(), error.code(), error.what());
  } catch (const std::bad_alloc&) {
    throw jsError(info.Env(), ErrorCode::kOutOfMemory, "Not enough memory for a separation");
  }
}

Session& SessionObject::open(const Napi::CallbackInfo& info) {
  if (!session_) throw Napi::Error::New(info.Env(), "the session is disposed of");
  return *session_;
}

Session& SessionObject::idle(const Napi::CallbackInfo& info) {
  if (*running_) throw Napi::Error::New(info.Env(), "a step of the session is running");
  return open(info);
}

Napi::Value SessionObject::inputStart(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(idle(info).inputStart()));
}

Napi::Value SessionObject::framesWanted(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(idle(info).framesWanted()));
}

Napi::Value SessionObject::nextMember(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), idle(info).nextMember());
}

Napi::Value SessionObject::framesReady(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(idle(info).framesReady()));
}

Napi::Value SessionObject::done(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), idle(info).done());
}

Napi::Value SessionObject::chunksDone(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(idle(info).chunksDone()));
}

Napi::Value SessionObject::chunksTotal(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(idle(info).chunksTotal()));
}

Napi::Value SessionObject::push(const Napi::CallbackInfo& info) {
  Session& session = idle(info);
  const auto channels = info[0].As<Napi::Array>();
  std::vector<const float*> pointers;
  int64_t frames = -1;
  for (uint32_t channel = 0; channel < channels.Length(); ++channel) {
    const auto samples = channels.Get(channel).As<Napi::Float32Array>();
    const auto length = static_cast<int64_t>(samples.ElementLength());
    // TypeScript has checked this. Here it stands between a mistake there and foreign memory.
    if (samples.TypedArrayType() != napi_float32_array || (frames >= 0 && length != frames)) {
      throw Napi::TypeError::New(info.Env(), "channels are not Float32Arrays of one length");
    }
    frames = length;
    pointers.push_back(samples.Data());
  }
  return Napi::Boolean::New(info.Env(), session.push(pointers, frames));
}

Napi::Value SessionObject::step(const Napi::CallbackInfo& info) {
  idle(info);
  *running_ = true;
  // All stay alive until the step has ended, whatever JavaScript disposes of meanwhile.
  const std::shared_ptr<Session> session = session_;
  const std::shared_ptr<std::atomic<bool>> running = running_;
  const std::shared_ptr<JointSteps> steps = steps_;
  const auto request = steps->announce(session);
  waiting_ = request;
  const auto report = std::make_shared<BatchReport>();
  const auto work = [session, steps, running, request, report] {
    try {
      *report = steps->run(request);
    } catch (...) {
      *running = false;
      throw;
    }
    *running = false;
  };
  return UnitOfWork::run(info.Env(), session->model().device(), this, work,
                         [report](Napi::Env env) -> Napi::Value { return toObject(env, *report); });
}

Napi::Value SessionObject::take(const Napi::CallbackInfo& info) {
  Session& session = idle(info);
  const Napi::Env env = info.Env();
  const int64_t wanted = info[0].As<Napi::Number>().Int64Value();
  const int64_t frames = std::min(wanted, session.framesReady());
  const size_t sources = session.plan().options().sources.size();
  const int channels = session.model().description().channels;

  const auto result = Napi::Array::New(env, sources);
  for (size_t source = 0; source < sources; ++source) {
    const auto rows = Napi::Array::New(env, channels);
    std::vector<float*> pointers;
    for (int channel = 0; channel < channels; ++channel) {
      auto row = Napi::Float32Array::New(env, static_cast<size_t>(frames));
      pointers.push_back(row.Data());
      rows.Set(static_cast<uint32_t>(channel), row);
    }
    session.copyReady(static_cast<int>(source), frames, pointers);
    result.Set(static_cast<uint32_t>(source), rows);
  }
  session.dropReady(frames);
  return result;
}

void SessionObject::stop(const Napi::CallbackInfo& info) {
  if (!session_) return;
  session_->stop();
  // Another session's step may have taken this one's along: it is running then, and ends soon.
  const auto request = waiting_.lock();
  if (request && !steps_->withdraw(request)) return;
  if (EnvironmentState::of(info.Env()).cancelWaiting(this)) *running_ = false;
}

void SessionObject::dispose(const Napi::CallbackInfo& info) {
  stop(info);
  session_.reset();
}

}  // namespace oxboard
