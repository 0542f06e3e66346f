// What Pump promises, with a source and a pool that do as they are told.
#include "daemon/pump.h"

#include "daemon/epoch_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace framering::daemon {
namespace {

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
  std::atomic<bool> change_in_sync{false};
  std::atomic<bool> interrupted{false};

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
    if (script_.gone) return Error{ErrorCode::kUnavailable, "unplugged", {}};
    SourceEvents events;
    uint64_t count = 0;
    events.changed = read(script_.event.get(), &count, sizeof count) == 8;
    changed_ |= events.changed;
    events.geometry = script_.width != bound_.width;
    return events;
  }
  proto::Status sync() override {
    ++script_.syncs;
    if (script_.gone) return Error{ErrorCode::kUnavailable, "unplugged", {}};
    if (script_.change_in_sync.exchange(false)) script_.change();
    return proto::Ok{};
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
  void SetUp() override {
    StreamOptions options;
    options.source = "fake";
    options.slot_count = 3;
    options.lease_ms = 60000;
    options.max_fps = 0;
    stream_ = *Stream::create(options);
  }
  void TearDown() override { EXPECT_TRUE(!pump_ || pump_->stop("the test is over")); }

  proto::Result<std::unique_ptr<Pump>> start() {
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
  static FrameRef latest(const Attachment& at) {
    return FrameRef::unpack(at.epoch().ring->control()->latest.load());
  }
  static uint64_t confirmed(const Attachment& at) { return at.epoch().ring->control()->confirmed_ns.load(); }
  static StreamState state(const Attachment& at) {
    return static_cast<StreamState>(at.epoch().ring->control()->state.load());
  }
  template <class Condition>
  static ::testing::AssertionResult soon(Condition&& condition, std::chrono::milliseconds limit = 5s) {
    for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
      if (condition()) return ::testing::AssertionSuccess();
      std::this_thread::sleep_for(1ms);
    }
    return ::testing::AssertionFailure() << "not in time";
  }

  Script script_;
  std::shared_ptr<Stream> stream_;
  std::unique_ptr<Pump> pump_;
};

TEST_F(PumpTest, WithoutASubscriberNothingIsCaptured) {
  run();
  for (int i = 0; i < 20; ++i) {
    script_.change();
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(script_.captures, 0);
}

TEST_F(PumpTest, TheFirstSubscriberGetsAFreshFrameAtOnceThoughNothingChanges) {
  run();
  const proto::ControlPage* control = nullptr;
  for (int round = 0; round < 3; ++round) {
    // The pump has noticed that nobody is left.
    ASSERT_TRUE(soon([&] { return !control || control->latest.load() == 0; }));
    const auto attachment = attach();
    ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
    EXPECT_EQ(latest(*attachment).sequence, uint64_t(round) + 1);
    const int captures = script_.captures;
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(script_.captures, captures) << "a static source is captured once";
    control = attachment->epoch().ring->control();
  }
}

TEST_F(PumpTest, AFrameFromBeforeAPauseIsNotOfferedAsTheLatest) {
  run();
  auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  const proto::ControlPage* control = attachment->epoch().ring->control();
  attachment->unsubscribe();
  EXPECT_TRUE(soon([&] { return control->latest.load() == 0; }));
}

TEST_F(PumpTest, EveryChangeIsPublishedAndWakesTheReader) {
  run();
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  for (uint64_t i = 0; i < 50; ++i) {
    const uint64_t before = latest(*attachment).sequence;
    attachment->reader().page()->waiting.store(1);
    const uint32_t word = attachment->reader().page()->wake_word.load();
    script_.change();
    ASSERT_TRUE(soon([&] { return latest(*attachment).sequence > before; }));
    ASSERT_TRUE(soon([&] { return attachment->reader().page()->wake_word.load() != word; }));
  }
}

TEST_F(PumpTest, TheRateCapHoldsAndTheLastChangeIsNotLost) {
  run();
  ReaderOptions options;
  options.max_fps = 100;
  const auto attachment = attach(options);
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  const auto begin = std::chrono::steady_clock::now();
  const int before = script_.captures;
  while (std::chrono::steady_clock::now() - begin < 300ms) {
    script_.change();
    std::this_thread::sleep_for(100us);
  }
  const auto elapsed = std::chrono::steady_clock::now() - begin;
  const uint64_t changed_last = now_ns();
  script_.change();
  EXPECT_LE(script_.captures - before, elapsed / 10ms + 2);
  EXPECT_TRUE(soon([&] {
    const FrameRef frame = latest(*attachment);
    return proto::slot_headers(attachment->epoch().ring->control())[frame.slot].capture_requested_ns >=
           changed_last;
  }));
}

TEST_F(PumpTest, AnUnchangedFrameIsConfirmedWithoutACaptureAndOnlyWhoAskedIsWoken) {
  run();
  const auto attachment = attach();
  const auto other = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  const uint64_t sequence = latest(*attachment).sequence;
  const int captures = script_.captures;
  const auto ask = [&] {
    attachment->reader().page()->waiting.store(1);
    const uint64_t asked = now_ns();
    attachment->ask_confirmation(asked);
    ASSERT_TRUE(soon([&] { return confirmed(*attachment) >= asked; }));
    ASSERT_TRUE(soon([&] { return attachment->reader().page()->waiting.load() == 0; }));
  };
  // The second comes after the last wake-up for the first frame.
  for (int i = 0; i < 2; ++i) ask();
  other->reader().page()->waiting.store(1);
  const uint32_t word = other->reader().page()->wake_word.load();
  for (int i = 0; i < 2; ++i) ask();
  EXPECT_EQ(script_.captures, captures);
  EXPECT_EQ(latest(*attachment).sequence, sequence);
  EXPECT_EQ(other->reader().page()->wake_word.load(), word);
  EXPECT_EQ(attachment->reader().confirmations_asked, 4u);
}

TEST_F(PumpTest, AChangeThatTheSourceTellsOnlyWhenAskedIsCapturedAndNotConfirmed) {
  run();
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  const uint64_t sequence = latest(*attachment).sequence;
  script_.change_in_sync = true;
  const uint64_t asked = now_ns();
  attachment->ask_confirmation(asked);
  ASSERT_TRUE(soon([&] { return confirmed(*attachment) >= asked; }));
  EXPECT_EQ(latest(*attachment).sequence, sequence + 1);
  EXPECT_GE(proto::slot_headers(attachment->epoch().ring->control())[latest(*attachment).slot]
                .capture_requested_ns.load(),
            asked);
}

TEST_F(PumpTest, AnyNumberOfWaitersCostsABoundedNumberOfRoundTrips) {
  run();
  std::vector<std::unique_ptr<Attachment>> attachments;
  for (int i = 0; i < 50; ++i) attachments.push_back(attach());
  ASSERT_TRUE(soon([&] { return bool(latest(*attachments[0])); }));
  const uint64_t begin = now_ns();
  const int before = script_.syncs;
  uint64_t asked = 0;
  while (now_ns() < begin + 200'000'000) {
    for (const auto& attachment : attachments) attachment->ask_confirmation(asked = now_ns());
  }
  ASSERT_TRUE(soon([&] { return confirmed(*attachments[0]) >= asked; }));
  EXPECT_LE(uint64_t(script_.syncs - before), (now_ns() - begin) / kConfirmationIntervalNs + 2);
  EXPECT_GT(attachments[0]->reader().confirmations_asked, 1u) << "it can be told who asks so much";
}

TEST_F(PumpTest, WhoWaitsGetsAChangeAtTheStreamsRateAndNotAtTheReadersOwn) {
  run();
  ReaderOptions options;
  options.max_fps = 0.01;
  const auto attachment = attach(options);
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  script_.change();
  const uint64_t asked = now_ns();
  attachment->ask_confirmation(asked);
  EXPECT_TRUE(soon([&] { return confirmed(*attachment) >= asked && latest(*attachment).sequence == 2; }));
}

TEST_F(PumpTest, AStarvedStreamConfirmsNothingThatHasChangedUntilItHasASlot) {
  run();
  ReaderOptions options;
  options.max_leases = 3;
  const auto attachment = attach(options);
  auto& leases = attachment->reader().page()->leases;
  for (int i = 0; i < 3; ++i) {
    script_.change();
    ASSERT_TRUE(soon([&] { return latest(*attachment).sequence == uint64_t(i) + 1; }));
    leases[i].store(latest(*attachment).pack());
  }
  script_.change();
  ASSERT_TRUE(soon([&] { return stream_->dropped > 0; }));
  const uint64_t asked = now_ns();
  attachment->ask_confirmation(asked);
  const uint64_t dropped = stream_->dropped;
  ASSERT_TRUE(soon([&] { return stream_->dropped > dropped + 3; }));
  EXPECT_LT(confirmed(*attachment), asked);
  leases[0].store(0);
  EXPECT_TRUE(soon([&] { return confirmed(*attachment) >= asked && latest(*attachment).sequence == 4; }));
}

TEST_F(PumpTest, ASourceThatIsGoneWhenAskedEndsTheStream) {
  run();
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  script_.gone = true;
  attachment->ask_confirmation(now_ns());
  EXPECT_TRUE(soon([&] { return state(*attachment) == StreamState::kEnded; }));
}

TEST_F(PumpTest, AResizeMakesANewEpochAndSequencesGoOn) {
  run();
  const auto old = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*old)); }));
  script_.width = 128;
  script_.change();
  ASSERT_TRUE(soon([&] { return state(*old) == StreamState::kSuperseded; }));
  const auto fresh = attach();
  EXPECT_EQ(fresh->epoch().geometry.width, 128u);
  EXPECT_GT(fresh->epoch().ring->options().epoch, old->epoch().ring->options().epoch);
  ASSERT_TRUE(soon([&] { return bool(latest(*fresh)); }));
  EXPECT_GT(latest(*fresh).sequence, latest(*old).sequence);
}

TEST_F(PumpTest, ALostSourceEndsTheStreamWithItsReasonAndComesBack) {
  run();
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  script_.refuse_open = true;
  script_.gone = true;
  script_.change();
  ASSERT_TRUE(soon([&] { return state(*attachment) == StreamState::kEnded; }));
  EXPECT_STREQ(attachment->epoch().ring->control()->end_text, "unplugged");
  const auto refused = stream_->attach({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(stream_->info().available);

  script_.gone = false;
  script_.refuse_open = false;
  ASSERT_TRUE(soon([&] { return stream_->info().available; }));
  const auto again = attach();
  EXPECT_TRUE(soon([&] { return bool(latest(*again)); }));
}

TEST_F(PumpTest, AStarvedStreamCountsDropsAndGoesOnWhenALeaseEnds) {
  run();
  ReaderOptions options;
  options.max_leases = 3;
  const auto attachment = attach(options);
  auto& leases = attachment->reader().page()->leases;
  for (int i = 0; i < 3; ++i) {
    script_.change();
    ASSERT_TRUE(soon([&] { return latest(*attachment).sequence == uint64_t(i) + 1; }));
    leases[i].store(latest(*attachment).pack());
  }
  script_.change();
  ASSERT_TRUE(soon([&] { return stream_->dropped > 2; }));
  EXPECT_EQ(latest(*attachment).sequence, 3u);
  EXPECT_GT(attachment->reader().drops_caused, 0u);
  leases[0].store(0);
  EXPECT_TRUE(soon([&] { return latest(*attachment).sequence == 4; }));
}

TEST_F(PumpTest, ActivityIsFollowedByOneFullCaptureAndThenSilence) {
  script_.safety = true;
  run();
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  const auto full_by = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kSafetyIntervalNs) + 2s;
  while (script_.full_captures == 0 && std::chrono::steady_clock::now() < full_by)
    std::this_thread::sleep_for(10ms);
  EXPECT_EQ(script_.full_captures, 1);
  const int captures = script_.captures;
  std::this_thread::sleep_for(std::chrono::nanoseconds(kSafetyIntervalNs) + 500ms);
  EXPECT_EQ(script_.captures, captures);
}

TEST_F(PumpTest, AskedForASignOfLifeItAnswersWhateverItWaitsForAndCapturesNothing) {
  run();
  const auto answers = [&] {
    stream_->ask_for_life();
    return soon([&] { return stream_->is_alive(); });
  };
  EXPECT_TRUE(answers()) << "nobody reads";
  {
    const auto attachment = attach();
    ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
    const int captures = script_.captures;
    EXPECT_TRUE(answers()) << "nothing changes";
    EXPECT_EQ(script_.captures, captures);
    script_.refuse_open = true;
    script_.gone = true;
    script_.change();
    ASSERT_TRUE(soon([&] { return state(*attachment) == StreamState::kEnded; }));
  }
  EXPECT_TRUE(answers()) << "the source is gone";
}

TEST_F(PumpTest, WhileASourceHangsThePumpGivesNoSignOfLife) {
  run();
  script_.hang = true;
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return script_.hanging.load(); }));
  stream_->ask_for_life();
  EXPECT_FALSE(soon([&] { return stream_->is_alive(); }, 100ms));
  script_.hang = false;
  EXPECT_TRUE(soon([&] { return stream_->is_alive(); }));
}

TEST_F(PumpTest, AChangeAfterALongSilenceIsOneCaptureOfTheChange) {
  script_.safety = true;
  run();
  std::this_thread::sleep_for(std::chrono::nanoseconds(kSafetyIntervalNs) + 200ms);
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(script_.captures, 1);
  EXPECT_EQ(script_.full_captures, 0) << "what it follows is younger than the interval";
}

TEST_F(PumpTest, WhyASourceCannotBeOpenedAgainIsTold) {
  run();
  const auto attachment = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  script_.refuse_open = true;
  script_.gone = true;
  script_.change();
  EXPECT_TRUE(soon([&] { return stream_->info().reason == "no such display"; })) << stream_->info().reason;
}

TEST_F(PumpTest, WhatCannotBeOpenedIsRefusedAtStart) {
  script_.refuse_open = true;
  const auto pump = start();
  ASSERT_FALSE(pump);
  EXPECT_EQ(pump.error().message, "no such display");
}

TEST_F(PumpTest, StoppingEndsASourceThatHangsAndTellsTheClientsWhy) {
  run();
  script_.hang = true;
  const auto attachment = attach();
  EXPECT_TRUE(pump_->stop("going down"));
  EXPECT_EQ(state(*attachment), StreamState::kEnded);
  EXPECT_STREQ(attachment->epoch().ring->control()->end_text, "going down");
}

}  // namespace
}  // namespace framering::daemon
