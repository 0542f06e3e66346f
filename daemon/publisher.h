// Wakes the readers of one epoch from a thread of its own, so that the pump pays one system call a frame for
// any number of clients.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "daemon/heartbeat.h"
#include "daemon/reader.h"

namespace framering::daemon {

class Publisher {
 public:
  explicit Publisher(const ReaderTable& readers);  // the table outlives the publisher
  ~Publisher();                                    // stop()
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Pump thread. The control page changed: whoever waits is woken soon. Several changes may become one
  // wake-up.
  void notify();
  // Pump thread. The newest frame was confirmed up to this moment: only who asked for one up to then is
  // woken.
  void notify_confirmed(uint64_t until_ns);
  // Pump thread. Wakes everybody once more and ends the thread; idempotent.
  void stop();

  // Any thread. The thread is asked for a sign of life, and answers without waking a reader.
  void ask_for_life();
  bool is_alive() const { return heartbeat_.answered(); }

 private:
  void run();
  void wake_thread();

  const ReaderTable& readers_;
  std::atomic<uint32_t> generation_{0};  // moves whenever there is something to do
  std::atomic<uint32_t> changes_{0};     // of the control page, for everybody
  std::atomic<uint64_t> confirmed_ns_{0};
  std::atomic<bool> stopping_{false};
  Heartbeat heartbeat_;
  std::thread thread_;
};

}  // namespace framering::daemon
