// What a pump does for who waits for a frame of a moment, follows the pointer, or wants a sign of life.
#include <vector>

#include "tests/unit/pump_fixture.h"

namespace framering::daemon {
namespace {

TEST_F(PumpTest, AnUnchangedFrameIsConfirmedWithoutACaptureAndOnlyWhoAskedIsWoken) {
  run();
  const auto attachment = attach();
  const auto other = attach();
  ASSERT_TRUE(soon([&] { return bool(latest(*attachment)); }));
  const uint64_t sequence = latest(*attachment).sequence;
  const int captures = script_.captures;
  const auto wait = [&] {
    attachment->reader().page()->waiting.store(1);
    const uint64_t asked = now_ns();
    ask(*attachment, asked);
    ASSERT_TRUE(soon([&] { return confirmed(*attachment) >= asked; }));
    ASSERT_TRUE(soon([&] { return attachment->reader().page()->waiting.load() == 0; }));
  };
  // The second comes after the last wake-up for the first frame.
  for (int i = 0; i < 2; ++i) wait();
  other->reader().page()->waiting.store(1);
  const uint32_t word = other->reader().page()->wake_word.load();
  for (int i = 0; i < 2; ++i) wait();
  EXPECT_EQ(script_.captures, captures);
  EXPECT_EQ(latest(*attachment).sequence, sequence);
  EXPECT_EQ(other->reader().page()->wake_word.load(), word);
  EXPECT_EQ(attachment->reader().confirmations_asked, 4u);
}

TEST_F(PumpTest, AChangeThatTheSourceTellsOnlyWhenAskedIsCapturedAndNotConfirmed) {
  run();
  const auto attachment = attach_to_frame();
  const uint64_t sequence = latest(*attachment).sequence;
  script_.change_in_sync = true;
  const uint64_t asked = now_ns();
  ask(*attachment, asked);
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
    for (const auto& attachment : attachments) ask(*attachment, asked = now_ns());
  }
  ASSERT_TRUE(soon([&] { return confirmed(*attachments[0]) >= asked; }));
  EXPECT_LE(uint64_t(script_.syncs - before), (now_ns() - begin) / kConfirmationIntervalNs + 2);
  EXPECT_GT(attachments[0]->reader().confirmations_asked, 1u) << "it can be told who asks so much";
}

TEST_F(PumpTest, AWishThatFollowsAtOnceIsNotLost) {
  run();
  const auto attachment = attach_to_frame();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t asked = now_ns();
    ask(*attachment, asked);
    while (confirmed(*attachment) < asked && now_ns() < asked + 5'000'000'000) {  // never asleep
    }
    ASSERT_GE(confirmed(*attachment), asked) << "wish " << i;
  }
}

TEST_F(PumpTest, BellsThatAreRungForNothingGetThePumpUpSeldom) {
  run();
  const auto attachment = attach_to_frame();
  for (const uint64_t moment : {uint64_t{0}, UINT64_MAX}) {
    attachment->reader().page()->asked_ns.store(moment);
    const uint64_t begin = now_ns();
    const int before = script_.polls;
    while (now_ns() < begin + 100'000'000) ring(*attachment);
    const auto polls = static_cast<uint64_t>(script_.polls - before);
    EXPECT_LE(polls, 2 * (now_ns() - begin) / kConfirmationIntervalNs + 4);
  }
  EXPECT_EQ(script_.syncs, 0);
}

TEST_F(PumpTest, AMomentThatHasNotComeIsNoWishAndHidesNobodyElses) {
  run();
  const auto early = attach();
  const auto other = attach_to_frame();
  ask(*early, UINT64_MAX);
  const uint64_t asked = now_ns();
  ask(*other, asked);
  EXPECT_TRUE(soon([&] { return confirmed(*other) >= asked; }));
  EXPECT_LT(confirmed(*other), now_ns());
  EXPECT_EQ(early->reader().confirmations_asked, 0u);
  EXPECT_EQ(other->reader().confirmations_asked, 1u);
}

TEST_F(PumpTest, WhoHasHungUpAsksForNothingMore) {
  run();
  const auto gone = attach();
  const auto stays = attach_to_frame();
  gone->unsubscribe();
  ask(*gone, now_ns());
  const uint64_t asked = now_ns();
  ask(*stays, asked);
  EXPECT_TRUE(soon([&] { return confirmed(*stays) >= asked; }));
  EXPECT_EQ(gone->reader().confirmations_asked, 0u);
}

TEST_F(PumpTest, WhoWaitsGetsAChangeAtTheStreamsRateAndNotAtTheReadersOwn) {
  run();
  ReaderOptions options;
  options.max_fps = 0.01;
  const auto attachment = attach_to_frame(options);
  script_.change();
  const uint64_t asked = now_ns();
  ask(*attachment, asked);
  EXPECT_TRUE(soon([&] { return confirmed(*attachment) >= asked && latest(*attachment).sequence == 2; }));
}

TEST_F(PumpTest, AStarvedStreamConfirmsNothingThatHasChangedUntilItHasASlot) {
  run();
  const auto attachment = attach_to_all_slots();
  script_.change();
  ASSERT_TRUE(soon([&] { return stream_->dropped > 0; }));
  const uint64_t asked = now_ns();
  ask(*attachment, asked);
  const uint64_t dropped = stream_->dropped;
  ASSERT_TRUE(soon([&] { return stream_->dropped > dropped + 3; }));
  EXPECT_LT(confirmed(*attachment), asked);
  attachment->reader().page()->leases[0].store(0);
  EXPECT_TRUE(soon([&] { return confirmed(*attachment) >= asked && latest(*attachment).sequence == 4; }));
}

TEST_F(PumpTest, ASourceThatIsGoneWhenAskedEndsTheStream) {
  run();
  const auto attachment = attach_to_frame();
  script_.gone = true;
  ask(*attachment, now_ns());
  EXPECT_TRUE(soon([&] { return state(*attachment) == StreamState::kEnded; }));
}

TEST_F(PumpTest, AMovingPointerIsToldToWhoFollowsItWithoutACapture) {
  script_.has_cursor = true;
  run();
  const auto plain = attach_to_frame();
  EXPECT_EQ(script_.cursor_looks, 0) << "nobody follows it";
  ReaderOptions options;
  options.cursor = true;
  auto follower = attach(options);
  const auto pointer = [&] {
    return proto::CursorRef::unpack(plain->epoch().ring->control()->cursor.load());
  };
  ASSERT_TRUE(soon([&] { return bool(pointer()); }));
  const uint64_t sequence = latest(*plain).sequence;
  const int captures = script_.captures;
  for (int32_t x = 11; x < 20; ++x) {
    follower->reader().page()->waiting.store(1);
    script_.cursor_x = x;
    ASSERT_TRUE(soon([&] { return pointer().x == x && follower->reader().page()->waiting.load() == 0; }));
  }
  EXPECT_EQ(script_.captures, captures);
  EXPECT_EQ(latest(*plain).sequence, sequence);
  follower.reset();
  ASSERT_TRUE(soon([&] { return !pointer(); })) << "what nobody follows is not known";
  const int looks = script_.cursor_looks;
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(script_.cursor_looks, looks);
}

TEST_F(PumpTest, WhoFollowsThePointerHasItWithAConfirmedFrame) {
  script_.has_cursor = true;
  run();
  ReaderOptions options;
  options.cursor = true;
  const auto attachment = attach_to_frame(options);
  for (int32_t x = 100; x < 120; ++x) {
    script_.cursor_x = x;
    const uint64_t asked = now_ns();
    ask(*attachment, asked);
    ASSERT_TRUE(soon([&] { return confirmed(*attachment) >= asked; }));
    EXPECT_EQ(proto::CursorRef::unpack(attachment->epoch().ring->control()->cursor.load()).x, x);
  }
}

TEST_F(PumpTest, AKeepaliveConfirmsAnUnchangedSourceByItself) {
  options_.keepalive_ms = 10;
  run();
  const auto attachment = attach_to_frame();
  const int captures = script_.captures;
  for (int i = 0; i < 5; ++i) {
    const uint64_t begin = now_ns();
    ASSERT_TRUE(soon([&] { return confirmed(*attachment) >= begin; }));
  }
  EXPECT_EQ(script_.captures, captures);
  EXPECT_EQ(attachment->reader().page()->wake_word.load(), 0u) << "nobody asked";
}

}  // namespace
}  // namespace framering::daemon
