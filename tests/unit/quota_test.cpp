// What one user may take, and that it comes back.
#include "daemon/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "tests/support/seed.h"

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
    auto ticket = quota_.add_client(uid, kLimits);
    EXPECT_TRUE(ticket);
    return *std::move(ticket);
  }
  Ticket stream(uint32_t uid, uint32_t leases) {
    auto ticket = quota_.add_stream(uid, kLimits, leases);
    EXPECT_TRUE(ticket);
    return *std::move(ticket);
  }
  // How many connects in a row are let in.
  uint32_t burst(uint32_t uid, uint64_t now_ns) {
    uint32_t count = 0;
    while (count < 1000 && quota_.admit_connect(uid, kLimits, now_ns)) ++count;
    return count;
  }

  Quota quota_{kLimits};
};

TEST_F(QuotaTest, ClientsOfOneUserAreLimitedAndComeBack) {
  std::deque<Ticket> tickets;
  for (int i = 0; i < 3; ++i) tickets.push_back(client(kAlice));
  expect_exceeded(quota_.add_client(kAlice, kLimits), "too many clients of user 1000: the limit is 3");
  tickets.push_back(client(kBob));
  tickets.pop_front();
  tickets.push_back(client(kAlice));
  expect_exceeded(quota_.add_client(kAlice, kLimits), "too many clients of user 1000");
}

TEST_F(QuotaTest, ClientsOfAllUsersTogetherAreLimited) {
  std::deque<Ticket> tickets;
  for (uint32_t uid = 1; uid <= 5; ++uid) tickets.push_back(client(uid));
  expect_exceeded(quota_.add_client(kAlice, kLimits), "too many clients in all: the limit is 5");
  tickets.pop_back();
  client(kAlice);
}

TEST_F(QuotaTest, OpenStreamsOfOneUserAreLimitedAndComeBack) {
  std::deque<Ticket> tickets;
  for (int i = 0; i < 4; ++i) tickets.push_back(stream(kAlice, 1));
  expect_exceeded(quota_.add_stream(kAlice, kLimits, 1),
                  "too many open streams of user 1000: the limit is 4");
  stream(kBob, 1);
  tickets.clear();
  stream(kAlice, 1);
}

TEST_F(QuotaTest, LeasesOfOneUserAreAddedUpOverHerStreams) {
  const Ticket first = stream(kAlice, 4);
  {
    const Ticket second = stream(kAlice, 6);
    expect_exceeded(quota_.add_stream(kAlice, kLimits, 1), "too many leases of user 1000: the limit is 10");
    stream(kBob, 10);
  }
  expect_exceeded(quota_.add_stream(kAlice, kLimits, 7), "too many leases");
  stream(kAlice, 6);
}

TEST_F(QuotaTest, WhatIsRefusedTakesNothing) {
  for (int i = 0; i < 100; ++i) expect_exceeded(quota_.add_stream(kAlice, kLimits, 11), "too many leases");
  const Ticket all = stream(kAlice, 10);
  for (int i = 0; i < 100; ++i) expect_exceeded(quota_.add_stream(kAlice, kLimits, 1), "too many leases");
}

TEST_F(QuotaTest, AMovedTicketGivesBackOnce) {
  Ticket ticket = stream(kAlice, 10);
  Ticket moved = std::move(ticket);
  expect_exceeded(quota_.add_stream(kAlice, kLimits, 1), "too many leases");
  moved = Ticket();
  const Ticket again = stream(kAlice, 10);
  expect_exceeded(quota_.add_stream(kAlice, kLimits, 1), "too many leases");
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
  for (int i = 0; i < 1000; ++i) admitted += quota_.admit_connect(kAlice, kLimits, now += kSecond / 1000);
  EXPECT_GE(admitted, 7u);
  EXPECT_LE(admitted, 8u);
}

// Thousands of users that came and went leave neither a gap for those who stay nor a bill.
TEST_F(QuotaTest, ManyPassingUsersDoNotMakeItForgetWhoIsThere) {
  uint64_t now = kSecond;
  const Ticket held = stream(kAlice, 10);
  burst(kBob, now);
  for (uint32_t uid = 5000; uid < 8000; ++uid) EXPECT_TRUE(quota_.admit_connect(uid, kLimits, now));
  EXPECT_EQ(burst(kBob, now), 0u) << "his bucket is still empty";
  now += 10 * kSecond;
  for (uint32_t uid = 5000; uid < 8000; ++uid) EXPECT_TRUE(quota_.admit_connect(uid, kLimits, now));
  EXPECT_EQ(burst(kBob, now), 8u);
  expect_exceeded(quota_.add_stream(kAlice, kLimits, 1), "too many leases");
}

TEST_F(QuotaTest, ARulesLimitsHoldForWhomItIsForAndCountWhatTheUserHasByAnyRule) {
  const QuotaLimits more = changed(kLimits, {{&QuotaLimits::streams_per_uid, 6}});
  const QuotaLimits less = changed(kLimits, {{&QuotaLimits::streams_per_uid, 1}});
  EXPECT_EQ(more.leases_per_uid, kLimits.leases_per_uid) << "what a rule does not name is as for others";
  std::deque<Ticket> tickets;
  for (int i = 0; i < 6; ++i) {
    auto ticket = quota_.add_stream(kAlice, more, 1);
    ASSERT_TRUE(ticket);
    tickets.push_back(*std::move(ticket));
  }
  expect_exceeded(quota_.add_stream(kAlice, more, 1), "the limit is 6");
  expect_exceeded(quota_.add_stream(kAlice, kLimits, 1), "the limit is 4");
  expect_exceeded(quota_.add_stream(kAlice, less, 1), "the limit is 1");
  EXPECT_TRUE(quota_.add_stream(kBob, less, 1));
}

TEST_F(QuotaTest, TheBytesOfStartedSourcesAreTheUsersUntilTheMemoryIsGone) {
  const QuotaLimits limits = changed(kLimits, {{&QuotaLimits::bytes_per_uid, 100}});
  auto source = quota_.add_source(kAlice, limits);
  ASSERT_TRUE(source);
  auto first = source->account->charge(60);
  ASSERT_TRUE(first);
  const auto refused = source->account->charge(41);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kQuotaExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr("user 1000, who has 60: the limit is 100"));
  EXPECT_TRUE(quota_.add_source(kBob, limits)->account->charge(100)) << "another user has his own";
  *source = {};  // the stream has ended; a client still holds its memory
  auto other = quota_.add_source(kAlice, limits);
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->account->charge(41));
  EXPECT_TRUE(other->account->charge(40));
  *first = {};
  EXPECT_TRUE(other->account->charge(100));
  EXPECT_FALSE(other->account->charge(UINT64_MAX)) << "no sum wraps around";
}

// A user who asks for anything, any number of times, by any of the rules that he can get himself, never has
// more than the largest of their limits, never keeps another from what is his, and owes nothing in the end.
TEST_F(QuotaTest, NoOrderOfRequestsTakesMoreThanTheLimits) {
  constexpr uint32_t kAdversary = 6666;
  std::mt19937 random(testing::random_seed());
  const auto number = [&](uint64_t below) { return random() % below; };
  for (int round = 0; round < 100; ++round) {
    std::vector<QuotaLimits> rules(1 + number(3), kLimits);
    QuotaLimits largest{};
    for (const QuotaKey& key : kUserQuotas) {
      largest.*key.limit = 0;
      for (QuotaLimits& rule : rules) {
        if (number(2) == 0) rule = changed(rule, {{key.limit, 1 + number(12)}});
        largest.*key.limit = std::max(largest.*key.limit, rule.*key.limit);
      }
    }
    std::deque<Ticket> tickets;
    std::deque<ByteCharge> charges;
    std::deque<std::shared_ptr<ByteAccount>> accounts;
    const auto keep = [&](auto&& ticket) {
      if (ticket) tickets.push_back(*std::forward<decltype(ticket)>(ticket));
    };
    for (int step = 0; step < 300; ++step) {
      const QuotaLimits& rule = rules[number(rules.size())];
      switch (number(7)) {
        case 0:
          keep(quota_.add_client(kAdversary, rule));
          break;
        case 1:
          keep(quota_.add_stream(kAdversary, rule,
                                 static_cast<uint32_t>(number(2) == 0 ? number(20) : random())));
          break;
        case 2:
          if (auto source = quota_.add_source(kAdversary, rule)) {
            accounts.push_back(source->account);
            tickets.push_back(std::move(source->ticket));
          }
          break;
        case 3:
          if (!accounts.empty()) {
            auto charge = accounts[number(accounts.size())]->charge(number(2) == 0 ? number(20) : UINT64_MAX);
            if (charge) charges.push_back(*std::move(charge));
          }
          break;
        case 4:
          if (!tickets.empty()) tickets.erase(tickets.begin() + static_cast<long>(number(tickets.size())));
          break;
        case 5:
          if (!charges.empty()) charges.pop_front();
          break;
        default:
          quota_.admit_connect(kAdversary, rule, kSecond);
      }
      for (const proto::QuotaUse& use : quota_.usage(kAdversary, largest)) {
        EXPECT_LE(use.used, use.limit) << use.name;
      }
      if (quota_.add_client(kAlice, kLimits)) {
        EXPECT_TRUE(quota_.add_stream(kAlice, kLimits, 10));
        EXPECT_TRUE(quota_.add_source(kAlice, kLimits));
      } else {
        EXPECT_GE(tickets.size(), kLimits.clients) << "only all clients together keep her out";
      }
    }
    tickets.clear();
    charges.clear();
    for (const proto::QuotaUse& use : quota_.usage(kAdversary, largest)) {
      EXPECT_TRUE(use.used == 0 || use.name == "connects_per_second") << use.name << " " << use.used;
    }
  }
}

}  // namespace
}  // namespace framering::daemon
