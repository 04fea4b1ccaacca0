// Steps of several sessions in one call: on a GPU the segments of songs that are separated at the
// same time go through the network together.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "batch_runner.h"

namespace oxboard {

class Session;

/**
 * The steps of sessions of one model that wait for its device. Each has a unit of work in the line
 * for the device; the unit whose turn it is takes along what fits into its call, and the others
 * find their step done when their turn comes.
 */
class JointSteps {
 public:
  class Request;

  /**
   * Announces the next step of a session, which nobody else may touch until it has run. It waits as
   * long as somebody holds what is returned.
   */
  std::shared_ptr<Request> announce(std::shared_ptr<Session> session);

  /** Takes an announcement back. False when the step runs, or has run. */
  bool withdraw(const std::shared_ptr<Request>& request);

  /**
   * For the thread that has the device: runs the step, with others, unless it has been run already.
   *
   * @return how the segments came through; nothing for a step that another one took along.
   * @throws what Session::step throws, for this session alone.
   */
  BatchReport run(const std::shared_ptr<Request>& request);

 private:
  std::vector<std::shared_ptr<Request>> together(const std::shared_ptr<Request>& first);

  std::mutex mutex_;
  std::list<std::weak_ptr<Request>> waiting_;
};

}  // namespace oxboard
