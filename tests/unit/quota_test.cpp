// What one user may take, and that it comes back.
#include "daemon/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using ::testing::HasSubstr;
using Ticket = Quota::Ticket;

constexpr uint32_t kAlice = 1000;
constexpr uint32_t kBob = 1001;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr QuotaLimits kLimits{
    .clients = 5, .clients_per_uid = 3, .streams_per_uid = 4, .leases_per_uid = 10, .connects_per_second = 8};

class QuotaTest : public ::testing::Test {
 protected:
  static void expect_exceeded(const proto::Result<Ticket>& ticket, const std::string& what) {
    ASSERT_FALSE(ticket);
    EXPECT_EQ(ticket.error().code, ErrorCode::kQuotaExceeded);
    EXPECT_THAT(ticket.error().message, HasSubstr(what));
    EXPECT_THAT(ticket.error().hint, HasSubstr("[quota]"));
  }
  Ticket client(uint32_t uid) {
    auto ticket = quota_.add_client(uid);
    EXPECT_TRUE(ticket);
    return *std::move(ticket);
  }
  Ticket stream(uint32_t uid, uint32_t leases) {
    auto ticket = quota_.add_stream(uid, leases);
    EXPECT_TRUE(ticket);
    return *std::move(ticket);
  }
  // How many connects in a row are let in.
  uint32_t burst(uint32_t uid, uint64_t now_ns) {
    uint32_t count = 0;
    while (count < 1000 && quota_.admit_connect(uid, now_ns)) ++count;
    return count;
  }

  Quota quota_{kLimits};
};

TEST_F(QuotaTest, ClientsOfOneUserAreLimitedAndComeBack) {
  std::deque<Ticket> tickets;
  for (int i = 0; i < 3; ++i) tickets.push_back(client(kAlice));
  expect_exceeded(quota_.add_client(kAlice), "too many clients of user 1000: the limit is 3");
  tickets.push_back(client(kBob));
  tickets.pop_front();
  tickets.push_back(client(kAlice));
  expect_exceeded(quota_.add_client(kAlice), "too many clients of user 1000");
}

TEST_F(QuotaTest, ClientsOfAllUsersTogetherAreLimited) {
  std::deque<Ticket> tickets;
  for (uint32_t uid = 1; uid <= 5; ++uid) tickets.push_back(client(uid));
  expect_exceeded(quota_.add_client(kAlice), "too many clients in all: the limit is 5");
  tickets.pop_back();
  client(kAlice);
}

TEST_F(QuotaTest, OpenStreamsOfOneUserAreLimitedAndComeBack) {
  std::deque<Ticket> tickets;
  for (int i = 0; i < 4; ++i) tickets.push_back(stream(kAlice, 1));
  expect_exceeded(quota_.add_stream(kAlice, 1), "too many open streams of user 1000: the limit is 4");
  stream(kBob, 1);
  tickets.clear();
  stream(kAlice, 1);
}

TEST_F(QuotaTest, LeasesOfOneUserAreAddedUpOverHerStreams) {
  const Ticket first = stream(kAlice, 4);
  {
    const Ticket second = stream(kAlice, 6);
    expect_exceeded(quota_.add_stream(kAlice, 1), "too many leases of user 1000: the limit is 10");
    stream(kBob, 10);
  }
  expect_exceeded(quota_.add_stream(kAlice, 7), "too many leases");
  stream(kAlice, 6);
}

TEST_F(QuotaTest, WhatIsRefusedTakesNothing) {
  for (int i = 0; i < 100; ++i) expect_exceeded(quota_.add_stream(kAlice, 11), "too many leases");
  const Ticket all = stream(kAlice, 10);
  for (int i = 0; i < 100; ++i) expect_exceeded(quota_.add_stream(kAlice, 1), "too many leases");
}

TEST_F(QuotaTest, AMovedTicketGivesBackOnce) {
  Ticket ticket = stream(kAlice, 10);
  Ticket moved = std::move(ticket);
  expect_exceeded(quota_.add_stream(kAlice, 1), "too many leases");
  moved = Ticket();
  const Ticket again = stream(kAlice, 10);
  expect_exceeded(quota_.add_stream(kAlice, 1), "too many leases");
}

TEST_F(QuotaTest, ConnectsAreLimitedToABurstAndThenARate) {
  uint64_t now = 77 * kSecond;
  EXPECT_EQ(burst(kAlice, now), 8u);
  EXPECT_EQ(burst(kBob, now), 8u) << "another user has a burst of his own";
  EXPECT_EQ(burst(kAlice, now), 0u);
  now += kSecond / 8 + 1;
  EXPECT_EQ(burst(kAlice, now), 1u);
  now += kSecond / 2;
  EXPECT_EQ(burst(kAlice, now), 4u);
  now += 3600 * kSecond;
  EXPECT_EQ(burst(kAlice, now), 8u) << "an hour's quiet does not add up";
}

TEST_F(QuotaTest, RefusedConnectsDoNotPostponeTheNext) {
  uint64_t now = kSecond;
  burst(kAlice, now);
  uint32_t admitted = 0;
  for (int i = 0; i < 1000; ++i) admitted += quota_.admit_connect(kAlice, now += kSecond / 1000);
  EXPECT_GE(admitted, 7u);
  EXPECT_LE(admitted, 8u);
}

// Thousands of users that came and went leave neither a gap for those who stay nor a bill.
TEST_F(QuotaTest, ManyPassingUsersDoNotMakeItForgetWhoIsThere) {
  uint64_t now = kSecond;
  const Ticket held = stream(kAlice, 10);
  burst(kBob, now);
  for (uint32_t uid = 5000; uid < 8000; ++uid) EXPECT_TRUE(quota_.admit_connect(uid, now));
  EXPECT_EQ(burst(kBob, now), 0u) << "his bucket is still empty";
  now += 10 * kSecond;
  for (uint32_t uid = 5000; uid < 8000; ++uid) EXPECT_TRUE(quota_.admit_connect(uid, now));
  EXPECT_EQ(burst(kBob, now), 8u);
  expect_exceeded(quota_.add_stream(kAlice, 1), "too many leases");
}

}  // namespace
}  // namespace framering::daemon
