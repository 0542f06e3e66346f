// A pump with a source and a pool that do as they are told.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/epoch_loop.h"
#include "daemon/pump.h"

namespace framering::daemon {

using namespace std::chrono_literals;
using proto::Error;
using proto::ErrorCode;
using proto::FrameRef;
using proto::StreamState;

// What the test does to the source; shared with the source that the pump's thread owns.
struct Script {
  proto::UniqueFd event{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<uint32_t> width{64};
  std::atomic<bool> gone{false};
  std::atomic<bool> refuse_open{false};
  std::atomic<bool> hang{false};
  std::atomic<bool> hanging{false};
  std::atomic<bool> safety{false};
  std::atomic<int> captures{0};
  std::atomic<int> full_captures{0};
  std::atomic<int> opened{0};
  std::atomic<int> syncs{0};
  std::atomic<int> polls{0};
  std::atomic<bool> change_in_sync{false};
  std::atomic<bool> has_cursor{false};
  std::atomic<int32_t> cursor_x{10};
  std::atomic<int> cursor_looks{0};
  std::atomic<bool> interrupted{false};
  std::atomic<bool> blanked{false};

  void change() {
    const uint64_t one = 1;
    ASSERT_EQ(write(event.get(), &one, sizeof one), 8);
  }
};

class FakeSource : public Source {
 public:
  explicit FakeSource(Script& script) : script_(script) {}

  proto::Result<Geometry> geometry() override { return Geometry{script_.width, 32, PixelFormat::kBgrx8888}; }
  proto::Status bind(const Geometry& geometry, std::span<const Surface>) override {
    bound_ = geometry;
    return proto::Ok{};
  }
  int event_fd() const override { return script_.event.get(); }
  proto::Result<SourceEvents> poll() override {
    ++script_.polls;
    if (script_.gone) return Error{ErrorCode::kUnavailable, "unplugged", {}};
    SourceEvents events;
    uint64_t count = 0;
    events.changed = read(script_.event.get(), &count, sizeof count) == 8;
    changed_ |= events.changed;
    events.geometry = script_.width != bound_.width;
    events.blanked = script_.blanked;
    return events;
  }
  proto::Status sync() override {
    ++script_.syncs;
    if (script_.gone) return Error{ErrorCode::kUnavailable, "unplugged", {}};
    if (script_.change_in_sync.exchange(false)) script_.change();
    return proto::Ok{};
  }
  bool has_cursor() const override { return script_.has_cursor; }
  proto::Result<std::optional<Cursor>> cursor() override {
    ++script_.cursor_looks;
    return std::optional<Cursor>({script_.cursor_x, 20, true, picture_});
  }
  proto::Result<CaptureInfo> capture(size_t, Request request) override {
    while (script_.hang && !script_.interrupted) {
      script_.hanging = true;
      std::this_thread::sleep_for(1ms);
    }
    if (script_.gone || script_.interrupted) return Error{ErrorCode::kUnavailable, "unplugged", {}};
    if (script_.width != bound_.width) return Error{ErrorCode::kInvalidArgument, "resized", {}};
    ++script_.captures;
    CaptureInfo info;
    info.requested_ns = info.done_ns = now_ns();
    if (request == Request::kFull) {
      ++script_.full_captures;
      info.damage.set_full(bound_);
    } else if (std::exchange(changed_, false)) {
      info.damage.add({0, 0, 8, 8});
    }
    return info;
  }
  bool wants_safety_frames() const override { return script_.safety; }
  void interrupt() override { script_.interrupted = true; }

 private:
  Script& script_;
  Geometry bound_;
  bool changed_ = true;
  const std::shared_ptr<const CursorPicture> picture_ =
      std::make_shared<const CursorPicture>(CursorPicture{5, 1, 1, 0, 0, {0xff000000}});
};

class FakePool : public Pool {
 public:
  explicit FakePool(uint32_t slots) : surfaces_(slots) {}
  proto::MemoryKind kind() const override { return proto::MemoryKind::kHost; }
  uint32_t slot_count() const override { return static_cast<uint32_t>(surfaces_.size()); }
  uint64_t slot_bytes() const override { return 8192; }
  std::span<const Surface> surfaces() const override { return surfaces_; }
  size_t surface_of(uint32_t slot) const override { return slot; }
  proto::Status seal() override { return proto::Ok{}; }
  proto::Status commit(uint32_t, const Damage&) override { return proto::Ok{}; }
  proto::Result<PoolHandle> export_handle() const override { return Error{}; }

 private:
  std::vector<Surface> surfaces_;
};

class PumpTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(!pump_ || pump_->stop("the test is over")); }

  proto::Result<std::unique_ptr<Pump>> start() {
    stream_ = *Stream::create(options_);
    return Pump::start(
        *stream_,
        [this]() -> proto::Result<std::unique_ptr<Source>> {
          if (script_.refuse_open) return Error{ErrorCode::kUnavailable, "no such display", {}};
          ++script_.opened;
          return std::unique_ptr<Source>(std::make_unique<FakeSource>(script_));
        },
        [](const Geometry&, uint32_t slots) -> proto::Result<std::unique_ptr<Pool>> {
          return std::unique_ptr<Pool>(std::make_unique<FakePool>(slots));
        });
  }
  void run() {
    auto pump = start();
    ASSERT_TRUE(pump);
    pump_ = *std::move(pump);
  }
  std::unique_ptr<Attachment> attach(ReaderOptions options = {}) {
    auto attachment = stream_->attach(options);
    EXPECT_TRUE(attachment);
    return *std::move(attachment);
  }
  // As a client does that waits for a frame of this moment.
  static void ask(const Attachment& at, uint64_t moment_ns) {
    at.reader().page()->asked_ns.store(moment_ns);
    ring(at);
  }
  static void ring(const Attachment& at) {
    const uint64_t one = 1;
    ASSERT_EQ(write(at.reader().bell(), &one, sizeof one), 8);
  }
  // There is a frame for it by then.
  std::unique_ptr<Attachment> attach_to_frame(ReaderOptions options = {}) {
    auto attachment = attach(options);
    EXPECT_TRUE(soon([&] { return bool(latest(*attachment)); }));
    return attachment;
  }
  // It leases the frames 1 to 3, and with them every slot.
  std::unique_ptr<Attachment> attach_to_all_slots() {
    ReaderOptions options;
    options.max_leases = 3;
    auto attachment = attach(options);
    for (int i = 0; i < 3; ++i) {
      if (i > 0) script_.change();  // the first frame comes by itself
      EXPECT_TRUE(soon([&] { return latest(*attachment).sequence == uint64_t(i) + 1; }));
      attachment->reader().page()->leases[i].store(latest(*attachment).pack());
    }
    return attachment;
  }
  static FrameRef latest(const Attachment& at) {
    return FrameRef::unpack(at.epoch().ring->control()->latest.load());
  }
  static uint64_t confirmed(const Attachment& at) { return at.epoch().ring->control()->confirmed_ns.load(); }
  static StreamState state(const Attachment& at) {
    return static_cast<StreamState>(at.epoch().ring->control()->state.load());
  }
  static uint32_t desktop(const Attachment& at) { return at.epoch().ring->control()->desktop.load(); }
  template <class Condition>
  static ::testing::AssertionResult soon(Condition&& condition, std::chrono::milliseconds limit = 5s) {
    for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
      if (condition()) return ::testing::AssertionSuccess();
      std::this_thread::sleep_for(1ms);
    }
    return ::testing::AssertionFailure() << "not in time";
  }

  Script script_;
  StreamOptions options_{.source = "fake", .slot_count = 3, .lease_ms = 60000, .max_fps = 0};
  std::shared_ptr<Stream> stream_;
  std::unique_ptr<Pump> pump_;
};

}  // namespace framering::daemon
