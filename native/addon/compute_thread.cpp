#include "compute_thread.h"

#include <map>
#include <thread>
#include <utility>

namespace oxboard {

ComputeThread& ComputeThread::named(const std::string& name) {
  static std::mutex mutex;
  // Never destroyed: the threads wait for work when the process ends.
  static auto* threads = new std::map<std::string, ComputeThread*>();
  const std::lock_guard lock(mutex);
  ComputeThread*& thread = (*threads)[name];
  if (thread == nullptr) thread = new ComputeThread();
  return *thread;
}

ComputeThread::ComputeThread() {
  std::thread([this] { loop(); }).detach();
}

void ComputeThread::run(const std::function<void()>& work) {
  const std::lock_guard turn(turn_);
  std::unique_lock lock(mutex_);
  work_ = &work;
  changed_.notify_all();
  changed_.wait(lock, [this] { return work_ == nullptr; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ComputeThread::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return work_ != nullptr; });
    lock.unlock();
    std::exception_ptr error;
    try {
      (*work_)();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = std::move(error);
    work_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace oxboard
