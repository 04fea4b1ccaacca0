#include "device_slots.h"

#include <algorithm>

namespace oxboard {

DeviceSlots& DeviceSlots::instance() {
  // Never destroyed: a pool thread may still release its slot while the process exits.
  static DeviceSlots* slots = new DeviceSlots();
  return *slots;
}

void DeviceSlots::acquire(const std::string& device, SlotClient* client) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Slot& slot = slots_[device];
  if (slot.busy) {
    slot.waiting.push_back(client);
    return;
  }
  slot.busy = true;
  client->slotGranted();
}

void DeviceSlots::release(const std::string& device) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Slot& slot = slots_[device];
  if (slot.waiting.empty()) {
    slot.busy = false;
    return;
  }
  SlotClient* next = slot.waiting.front();
  slot.waiting.pop_front();
  // Granted under the lock, so that a client that is withdrawn at this moment is either still in
  // the line or knows that it owns the slot.
  next->slotGranted();
}

bool DeviceSlots::withdraw(const std::string& device, SlotClient* client) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::deque<SlotClient*>& waiting = slots_[device].waiting;
  const auto position = std::find(waiting.begin(), waiting.end(), client);
  if (position == waiting.end()) return false;
  waiting.erase(position);
  return true;
}

}  // namespace oxboard
