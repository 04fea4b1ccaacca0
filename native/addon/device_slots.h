// State of the process: which device is at work, and which units of work wait for it.
//
// At most one unit runs per device, whatever the number of separators and worker_threads, because
// every concurrent forward pass brings its own team of OpenMP threads and its own activations. A
// unit that waits holds no thread of the libuv pool.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace oxboard {

/**
 * The exception to one unit per device: a load may run beside a segment, so that it need not wait
 * for it, but not beside another load, because reading a file takes memory for the file twice.
 */
constexpr const char* kLoadSlot = "load";

/** Something that wants a device for a while. Compared by address. */
class SlotClient {
 public:
  virtual ~SlotClient() = default;
  /** The device is now this client's, until it calls DeviceSlots::release. On any thread. */
  virtual void slotGranted() = 0;
};

class DeviceSlots {
 public:
  static DeviceSlots& instance();

  /** Asks for `device`; the client is granted at once or when those before it have released. */
  void acquire(const std::string& device, SlotClient* client);

  /** Gives `device` back; the next in line is granted. */
  void release(const std::string& device);

  /** Takes a client out of the line. False when it was not waiting there (any more). */
  bool withdraw(const std::string& device, SlotClient* client);

 private:
  struct Slot {
    bool busy = false;
    std::deque<SlotClient*> waiting;
  };
  std::mutex mutex_;
  std::map<std::string, Slot> slots_;
};

}  // namespace oxboard
