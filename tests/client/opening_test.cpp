// Connecting and opening: what is asked for, what there is, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "tests/client/client_fixture.h"

namespace framering::testing {
namespace {

using ::testing::HasSubstr;

class OpeningTest : public ClientTest {};

TEST_F(OpeningTest, AStreamSaysWhatItIs) {
  Stream stream = open_moving({.mode = Mode::every, .max_leases = 5, .max_fps = 100});
  EXPECT_EQ(stream.width(), 64u);
  EXPECT_EQ(stream.height(), 48u);
  EXPECT_EQ(stream.format(), PixelFormat::bgrx8888);
  EXPECT_EQ(stream.memory(), Memory::host);
  EXPECT_EQ(stream.lease_time(), 1000ms);
  EXPECT_GE(stream.epoch(), 1u);
  EXPECT_EQ(stream.options().source, kMoving);
  EXPECT_EQ(stream.options().max_leases, 5u);
  EXPECT_EQ(stream.missed(), 0u);
}

TEST_F(OpeningTest, AListTellsTheStreamsAndWhoReadsThem) {
  Connection named = Connection::connect(daemon_.socket(), "a reader");
  Stream stream = named.open({.source = kMoving});
  const auto frame = stream.next(kLong);
  const std::vector<StreamInfo> streams = connection_.list();
  ASSERT_EQ(streams.size(), 2u);
  EXPECT_EQ(streams[0].source, kMoving);
  EXPECT_EQ(streams[1].source, kStill);
  EXPECT_TRUE(streams[0].available);
  EXPECT_EQ(streams[0].slot_count, 19u);
  EXPECT_EQ(streams[0].epoch, frame->epoch());
  EXPECT_GE(streams[0].published, 1u);
  ASSERT_EQ(streams[0].clients.size(), 1u);
  EXPECT_EQ(streams[0].clients[0].name, "a reader");
  EXPECT_EQ(streams[0].clients[0].pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(streams[0].clients[0].leases_held, 1u);
  EXPECT_TRUE(streams[1].clients.empty());
  EXPECT_EQ(named.daemon_pid(), static_cast<uint32_t>(daemon_.pid()));
  EXPECT_EQ(named.daemon_version(), FRAMERING_VERSION);
}

TEST_F(OpeningTest, WhatIsNotThereIsRefusedAndNotReplaced) {
  EXPECT_EQ(error_of([&] { connection_.open({.source = "nothing"}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { open_moving({.memory = Memory::cuda}); }), ErrorCode::memory_unavailable);
  EXPECT_TRUE(open_moving({.memory = Memory::host}).next(kLong)) << "and the connection is as good as before";
}

TEST_F(OpeningTest, ValuesOutOfRangeAreRefused) {
  for (const uint32_t leases : {0u, 17u, UINT32_MAX}) {
    EXPECT_EQ(error_of([&] { open_moving({.max_leases = leases}); }), ErrorCode::invalid_argument) << leases;
  }
  for (const double fps : {-1.0, 1000.5, double{NAN}, double{INFINITY}}) {
    EXPECT_EQ(error_of([&] { open_moving({.max_fps = fps}); }), ErrorCode::invalid_argument) << fps;
  }
}

TEST_F(OpeningTest, WithoutADaemonTheHintSaysHowToStartOne) {
  const std::string nowhere = daemon_.socket() + "-nowhere";
  try {
    Connection::connect(nowhere);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_THAT(error.what(), HasSubstr(nowhere));
    EXPECT_THAT(error.hint(), HasSubstr("frameringd"));
  }
}

TEST_F(OpeningTest, TheSocketMayComeFromTheEnvironment) {
  setenv("FRAMERING_SOCKET", daemon_.socket().c_str(), 1);
  EXPECT_EQ(Connection::connect().daemon_pid(), static_cast<uint32_t>(daemon_.pid()));
  unsetenv("FRAMERING_SOCKET");
}

TEST_F(OpeningTest, ADaemonThatEndsIsToldAsItsReasonOrAsALostConnection) {
  Stream still = open_still();
  EXPECT_EQ(daemon_.end(SIGTERM), 0);
  const auto code = error_of([&] { still.next(kLong); });
  EXPECT_TRUE(code == ErrorCode::stream_ended || code == ErrorCode::disconnected);
  EXPECT_TRUE(soon([&] { return error_of([&] { connection_.list(); }) == ErrorCode::disconnected; }));
  EXPECT_EQ(error_of([&] { open_moving(); }), ErrorCode::disconnected);
  EXPECT_EQ(error_of([&] { Connection::connect(daemon_.socket()); }), ErrorCode::unavailable);
}

}  // namespace
}  // namespace framering::testing
