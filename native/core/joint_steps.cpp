#include "joint_steps.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "model.h"
#include "session.h"

namespace oxboard {

class JointSteps::Request {
 public:
  explicit Request(std::shared_ptr<Session> session) : session(std::move(session)) {}

  const std::shared_ptr<Session> session;
  // Written and read by whoever has the device.
  bool done = false;
  std::exception_ptr error;
};

std::shared_ptr<JointSteps::Request> JointSteps::announce(std::shared_ptr<Session> session) {
  auto request = std::make_shared<Request>(std::move(session));
  const std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(request);
  return request;
}

bool JointSteps::withdraw(const std::shared_ptr<Request>& request) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::erase_if(waiting_, [&](const auto& one) { return one.lock() == request; }) > 0;
}

std::vector<std::shared_ptr<JointSteps::Request>> JointSteps::together(
    const std::shared_ptr<Request>& first) {
  withdraw(first);
  std::vector<std::shared_ptr<Request>> chosen{first};
  const Session& session = *first->session;
  const BatchRunner& runner = session.model().runner();
  if (!runner.device().sharesCalls() || session.done()) return chosen;

  const Session::Call call = session.nextCall();
  int64_t room =
      runner.callSize(session.model().network(call.member), call.shape.length) - call.segments;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto place = next++;
    const std::shared_ptr<Request> request = place->lock();
    if (!request) {
      waiting_.erase(place);
      continue;
    }
    if (request->session->done()) continue;
    const Session::Call theirs = request->session->nextCall();
    const bool fits = theirs.member == call.member && theirs.shape.length == call.shape.length &&
                      theirs.segments <= room;
    if (!fits) continue;
    room -= theirs.segments;
    chosen.push_back(request);
    waiting_.erase(place);
  }
  return chosen;
}

BatchReport JointSteps::run(const std::shared_ptr<Request>& request) {
  BatchReport report;
  if (!request->done) {
    const std::vector<std::shared_ptr<Request>> requests = together(request);
    std::vector<Segment> segments;
    std::vector<size_t> ends;
    for (const auto& one : requests) {
      one->done = true;
      try {
        const std::vector<Segment> step = one->session->beginStep();
        segments.insert(segments.end(), step.begin(), step.end());
      } catch (...) {
        one->error = std::current_exception();
      }
      ends.push_back(segments.size());
    }
    if (!segments.empty()) {
      const Model& model = request->session->model();
      const Session::Call call = request->session->nextCall();
      report = model.runner().run(model.network(call.member), call.shape, segments);
    }
    for (size_t i = 0, begin = 0; i < requests.size(); begin = ends[i++]) {
      if (requests[i]->error) continue;
      try {
        requests[i]->session->endStep({segments.begin() + static_cast<ptrdiff_t>(begin),
                                       segments.begin() + static_cast<ptrdiff_t>(ends[i])});
      } catch (...) {
        requests[i]->error = std::current_exception();
      }
    }
  }
  if (request->error) std::rethrow_exception(request->error);
  return report;
}

}  // namespace oxboard
