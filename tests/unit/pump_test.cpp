// What Pump promises, with a source and a pool that do as they are told.
#include "tests/unit/pump_fixture.h"

namespace framering::daemon {
namespace {

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
    const auto attachment = attach_to_frame();
    EXPECT_EQ(latest(*attachment).sequence, uint64_t(round) + 1);
    const int captures = script_.captures;
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(script_.captures, captures) << "a static source is captured once";
    control = attachment->epoch().ring->control();
  }
}

TEST_F(PumpTest, AFrameFromBeforeAPauseIsNotOfferedAsTheLatest) {
  run();
  auto attachment = attach_to_frame();
  const proto::ControlPage* control = attachment->epoch().ring->control();
  attachment->unsubscribe();
  EXPECT_TRUE(soon([&] { return control->latest.load() == 0; }));
}

TEST_F(PumpTest, EveryChangeIsPublishedAndWakesTheReader) {
  run();
  const auto attachment = attach_to_frame();
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
  const auto attachment = attach_to_frame(options);
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

TEST_F(PumpTest, AResizeMakesANewEpochAndSequencesGoOn) {
  run();
  const auto old = attach_to_frame();
  script_.width = 128;
  script_.change();
  ASSERT_TRUE(soon([&] { return state(*old) == StreamState::kSuperseded; }));
  const auto fresh = attach();
  EXPECT_EQ(fresh->epoch().geometry.width, 128u);
  EXPECT_GT(fresh->epoch().ring->options().epoch, old->epoch().ring->options().epoch);
  ASSERT_TRUE(soon([&] { return bool(latest(*fresh)); }));
  EXPECT_GT(latest(*fresh).sequence, latest(*old).sequence);
}

TEST_F(PumpTest, TheStateOfTheDesktopIsToldToReadersOfThisEpochAndTheNext) {
  using proto::kDesktopAway, proto::kDesktopBlanked, proto::kDesktopLocked;
  run();
  const auto old = attach_to_frame();
  EXPECT_EQ(desktop(*old), 0u);
  const auto told = [&](auto change, uint32_t expected) {
    old->reader().page()->waiting.store(1);
    const uint32_t word = old->reader().page()->wake_word.load();
    change();
    return soon([&] { return old->reader().page()->wake_word.load() != word && desktop(*old) == expected; });
  };
  EXPECT_TRUE(told([&] { stream_->set_desktop_state(kDesktopLocked | kDesktopAway, kDesktopLocked); },
                   kDesktopLocked));
  EXPECT_TRUE(told(
      [&] {
        script_.blanked = true;
        script_.change();
      },
      kDesktopLocked | kDesktopBlanked));
  EXPECT_TRUE(told([&] { stream_->set_desktop_state(kDesktopLocked | kDesktopAway, kDesktopAway); },
                   kDesktopAway | kDesktopBlanked));
  script_.width = 128;
  script_.change();
  ASSERT_TRUE(soon([&] { return state(*old) == StreamState::kSuperseded; }));
  const auto fresh = attach();
  EXPECT_EQ(desktop(*fresh), kDesktopAway | kDesktopBlanked);
}

TEST_F(PumpTest, ALostSourceEndsTheStreamWithItsReasonAndComesBack) {
  run();
  const auto attachment = attach_to_frame();
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
  const auto attachment = attach_to_all_slots();
  script_.change();
  ASSERT_TRUE(soon([&] { return stream_->dropped > 2; }));
  EXPECT_EQ(latest(*attachment).sequence, 3u);
  EXPECT_GT(attachment->reader().drops_caused, 0u);
  attachment->reader().page()->leases[0].store(0);
  EXPECT_TRUE(soon([&] { return latest(*attachment).sequence == 4; }));
}

TEST_F(PumpTest, ActivityIsFollowedByOneFullCaptureAndThenSilence) {
  script_.safety = true;
  run();
  const auto attachment = attach_to_frame();
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
    const auto attachment = attach_to_frame();
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
  const auto attachment = attach_to_frame();
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(script_.captures, 1);
  EXPECT_EQ(script_.full_captures, 0) << "what it follows is younger than the interval";
}

TEST_F(PumpTest, WhyASourceCannotBeOpenedAgainIsTold) {
  run();
  const auto attachment = attach_to_frame();
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
