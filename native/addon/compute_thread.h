// The thread that computes.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>

namespace oxboard {

/**
 * A thread that lives as long as the process and does all tensor work of one device, whatever
 * thread of a pool waits for it. OpenMP gives each thread that calls it a team of its own: spread
 * over a pool's threads, the same segments took a fifth longer.
 */
class ComputeThread {
 public:
  /** The thread of that name, started when it is first asked for. */
  static ComputeThread& named(const std::string& name);

  ComputeThread(const ComputeThread&) = delete;
  ComputeThread& operator=(const ComputeThread&) = delete;

  /** Runs `work` and returns when it has ended; what it throws is thrown here. From any thread. */
  void run(const std::function<void()>& work);

 private:
  ComputeThread();
  void loop();

  std::mutex turn_;  // held by the caller whose work runs
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace oxboard
