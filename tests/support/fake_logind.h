// A logind of the test's own on a D-Bus of its own: processes that are started while it lives find it by
// $DBUS_SYSTEM_BUS_ADDRESS.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "proto/unique_fd.h"
#include "tests/support/child.h"

struct sd_bus;

namespace framering::testing {

class FakeLogind {
 public:
  struct Session {
    uint32_t uid = 0;
    std::string display{};
    uint32_t pid = 0;  // a process in it
    bool active = true;
    bool locked = false;
  };

  FakeLogind();
  ~FakeLogind();
  FakeLogind(const FakeLogind&) = delete;
  FakeLogind& operator=(const FakeLogind&) = delete;

  // Where the bus is.
  std::filesystem::path bus() const { return folder_ / "bus"; }

  // Each returns once the bus has taken the signal that tells of it.
  void set(const std::string& id, const Session& session);  // a new one, or what has changed of one
  void remove(const std::string& id);
  // Whether it lets its callers wait, for ever.
  void set_silent(bool silent) { state_.silent = silent; }
  // What it answers instead, by the name of a D-Bus error; null: as it should.
  void set_error(const char* name) { state_.error = name; }
  // How many calls it has heard of which neither told anything.
  int unanswered() const { return state_.unanswered; }
  // Whether it signals a change before each answer, and so without end.
  void set_restless(bool restless) { state_.restless = restless; }
  // Nobody has the name of logind from now on.
  void leave();

  // What its methods work on.
  struct State {
    std::map<std::string, Session> sessions{};  // of the thread
    std::atomic<bool> silent{false};
    std::atomic<const char*> error{nullptr};
    std::atomic<bool> restless{false};
    std::atomic<int> unanswered{0};
  };

 private:
  void serve();
  void run_in_thread(std::function<void()> work);

  std::filesystem::path folder_;
  std::unique_ptr<Child> bus_process_;
  sd_bus* bus_ = nullptr;
  proto::UniqueFd wake_;
  std::mutex mutex_;
  std::function<void()> work_;
  bool ending_ = false;
  State state_;
  std::thread thread_;
};

}  // namespace framering::testing
