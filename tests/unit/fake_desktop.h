// A desktop that a test changes, and that counts who looks at it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/capture/desktop.h"
#include "proto/unique_fd.h"

namespace framering::testing {

// What stays when a Desktop on it is closed. Any thread.
class FakeDisplay {
 public:
  // Shows it to who looks; also ends a hang.
  void show(proto::DesktopReply desktop) {
    std::lock_guard lock(mutex_);
    desktop_ = std::move(desktop);
    differs_ = true;
    hangs_ = false;
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(event_.get(), &one, sizeof one);
    changed_.notify_all();
  }
  void hang() {
    std::lock_guard lock(mutex_);
    hangs_ = true;
  }
  void lose(const std::string& reason) {
    std::lock_guard lock(mutex_);
    lost_ = reason;
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = write(event_.get(), &one, sizeof one);
  }
  proto::Result<std::unique_ptr<daemon::Desktop>> open();

  std::atomic<int> opens{0};
  std::atomic<int> open_now{0};
  std::atomic<int> looks{0};
  std::atomic<int> questions{0};

 private:
  friend class FakeDesktop;

  std::mutex mutex_;
  std::condition_variable changed_;
  const proto::UniqueFd event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  proto::DesktopReply desktop_;
  bool differs_ = true;
  bool hangs_ = false;
  std::string lost_;
};

class FakeDesktop final : public daemon::Desktop {
 public:
  explicit FakeDesktop(FakeDisplay& display) : display_(display) { ++display_.open_now; }
  ~FakeDesktop() override { --display_.open_now; }

  proto::Result<proto::DesktopReply> look() override {
    std::unique_lock lock(display_.mutex_);
    display_.changed_.wait(lock, [&] { return !display_.hangs_ || interrupted_; });
    if (interrupted_) return proto::Error{proto::ErrorCode::kUnavailable, "interrupted", {}};
    ++display_.looks;
    display_.differs_ = false;
    return display_.desktop_;
  }
  proto::Result<bool> may_differ() override {
    std::lock_guard lock(display_.mutex_);
    uint64_t count = 0;
    [[maybe_unused]] const auto got = read(display_.event_.get(), &count, sizeof count);
    ++display_.questions;
    if (!display_.lost_.empty()) {
      return proto::Error{proto::ErrorCode::kUnavailable, std::exchange(display_.lost_, {}), {}};
    }
    return display_.differs_;
  }
  int event_fd() const override { return display_.event_.get(); }
  void interrupt() override {
    std::lock_guard lock(display_.mutex_);
    interrupted_ = true;
    display_.changed_.notify_all();
  }

 private:
  FakeDisplay& display_;
  bool interrupted_ = false;
};

inline proto::Result<std::unique_ptr<daemon::Desktop>> FakeDisplay::open() {
  ++opens;
  {
    std::lock_guard lock(mutex_);
    differs_ = true;
  }
  return std::unique_ptr<daemon::Desktop>(std::make_unique<FakeDesktop>(*this));
}

}  // namespace framering::testing
