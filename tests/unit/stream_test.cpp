// What sessions and the pump tell each other through a stream.
#include "daemon/stream.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "daemon/memory/host_pool.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;

class StreamTest : public ::testing::Test {
 protected:
  static std::shared_ptr<Stream> make_stream(double max_fps = 60) {
    return *Stream::create({.source = "test:8x8@1", .slot_count = 3, .max_fps = max_fps});
  }
  static std::shared_ptr<Epoch> make_epoch(uint64_t number = 1) {
    auto epoch = std::make_shared<Epoch>();
    epoch->bells = *ReaderBells::create();
    epoch->geometry = {8, 8, PixelFormat::kBgrx8888};
    epoch->pool = *HostPool::create(epoch->geometry, 3);
    epoch->ring = *Ring::create({.geometry = epoch->geometry,
                                 .epoch = number,
                                 .slot_count = 3,
                                 .slot_bytes = epoch->pool->slot_bytes()});
    return epoch;
  }
  static std::unique_ptr<Attachment> attach(Stream& stream, double max_fps = 0) {
    auto attachment = stream.attach({.max_fps = max_fps});
    EXPECT_TRUE(attachment);
    return *std::move(attachment);
  }
  static bool woken(Stream& stream) {
    pollfd state{stream.wake_fd(), POLLIN, 0};
    const bool ready = poll(&state, 1, 0) == 1;
    stream.drain_wake_fd();
    return ready;
  }
  static uint64_t publish(Epoch& epoch) {
    return epoch.ring->publish(*epoch.ring->begin_write(*epoch.readers.snapshot(), 1), {}, 1);
  }
};

TEST_F(StreamTest, BeforeItsFirstEpochItIsUnavailable) {
  const auto stream = make_stream();
  const auto attached = stream->attach({});
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(attached.error().hint.empty());
  EXPECT_FALSE(stream->info().available);
}

TEST_F(StreamTest, EverySubscriberThatComesOrGoesWakesThePump) {
  const auto stream = make_stream();
  stream->set_epoch(make_epoch());
  EXPECT_FALSE(woken(*stream));
  auto attachment = attach(*stream);
  EXPECT_TRUE(woken(*stream));
  attachment->unsubscribe();
  EXPECT_TRUE(woken(*stream));
  attachment.reset();
  EXPECT_TRUE(woken(*stream));
}

TEST_F(StreamTest, TheRateIsThatOfTheFastestSubscriberUpToTheStreamsOwn) {
  const auto stream = make_stream(60);
  const auto epoch = make_epoch();
  stream->set_epoch(epoch);
  const auto slow = attach(*stream, 5);
  EXPECT_EQ(stream->wanted_fps(*epoch), 5);
  const auto faster = attach(*stream, 30);
  EXPECT_EQ(stream->wanted_fps(*epoch), 30);
  auto too_fast = attach(*stream, 500);
  EXPECT_EQ(stream->wanted_fps(*epoch), 60);
  too_fast.reset();
  const auto unlimited = attach(*stream, 0);
  EXPECT_EQ(stream->wanted_fps(*epoch), 60);
  unlimited->unsubscribe();
  faster->unsubscribe();
  EXPECT_EQ(stream->wanted_fps(*epoch), 5);
}

TEST_F(StreamTest, WithoutACapOfItsOwnItGoesAsFastAsIsAsked) {
  const auto stream = make_stream(0);
  const auto epoch = make_epoch();
  stream->set_epoch(epoch);
  const auto slow = attach(*stream, 5);
  EXPECT_EQ(stream->wanted_fps(*epoch), 5);
  const auto unlimited = attach(*stream, 0);
  EXPECT_EQ(stream->wanted_fps(*epoch), 0);
}

TEST_F(StreamTest, APauseRetractsTheFrameOnlyWhereNobodySubscribes) {
  const auto stream = make_stream();
  const auto epoch = make_epoch();
  stream->set_epoch(epoch);
  const auto attachment = attach(*stream);
  publish(*epoch);
  EXPECT_FALSE(stream->pause_if_unused(*epoch));
  EXPECT_NE(epoch->ring->control()->latest.load(), 0u);
  attachment->unsubscribe();
  EXPECT_TRUE(stream->pause_if_unused(*epoch));
  EXPECT_EQ(epoch->ring->control()->latest.load(), 0u);
}

TEST_F(StreamTest, WhoReadsAnOldEpochKeepsItWhileOthersAttachToTheNewOne) {
  const auto stream = make_stream();
  std::weak_ptr<Epoch> first;
  std::unique_ptr<Attachment> reader;
  {
    const auto epoch = make_epoch(1);
    first = epoch;
    stream->set_epoch(epoch);
    reader = attach(*stream);
  }
  stream->set_epoch(make_epoch(2));
  EXPECT_EQ(attach(*stream)->epoch().ring->options().epoch, 2u);
  EXPECT_EQ(stream->info().epoch, 2u);
  EXPECT_EQ(reader->epoch().ring->options().epoch, 1u);
  reader.reset();
  EXPECT_TRUE(first.expired());
}

TEST_F(StreamTest, ClientsAttachWhileEpochsChange) {
  const auto stream = make_stream();
  stream->set_epoch(make_epoch(1));
  std::atomic<bool> done{false};
  std::thread clients([&] {
    uint64_t newest = 0;
    while (!done) {
      if (const auto attachment = stream->attach({})) {
        const uint64_t epoch = (*attachment)->epoch().ring->options().epoch;
        EXPECT_GE(epoch, newest);
        newest = epoch;
      }
      stream->info();
    }
  });
  for (uint64_t number = 2; number < 50; ++number) {
    if (number % 5 == 0) stream->set_unavailable("for a moment");
    stream->set_epoch(make_epoch(number));
  }
  done = true;
  clients.join();
}

}  // namespace
}  // namespace framering::daemon
