// Streams on demand: when they start, whom they serve, when they end.
#include "daemon/stream_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "daemon/capture/test_source.h"
#include "daemon/memory/host_pool.h"

namespace framering::daemon {
namespace {

using namespace std::chrono_literals;
using proto::Error;
using proto::ErrorCode;
using proto::StreamState;
using ::testing::HasSubstr;
using Found = proto::Result<std::shared_ptr<Stream>>;

constexpr uint32_t kUid = 1000;

SourceName named(const std::string& text) {
  return *SourceName::parse(text);
}

class StreamRegistryTest : public ::testing::Test {
 protected:
  StreamRegistryTest() : log_level_(spdlog::get_level()) { spdlog::set_level(spdlog::level::off); }
  ~StreamRegistryTest() override {
    let_open();
    EXPECT_TRUE(!registry_ || registry_->stop("the test is over"));
    spdlog::set_level(log_level_);
  }

  void start(std::chrono::milliseconds linger, std::chrono::milliseconds open_limit = 10s) {
    registry_.emplace(
        io_, [this](const SourceName& name) { return parts(name); },
        StreamRegistry::Options{linger, open_limit});
  }
  // Each test source of this name, once let_open() was called if it is "slow" (height 2), never if height 3.
  proto::Result<StreamRegistry::Parts> parts(const SourceName& name) {
    const auto* test = std::get_if<TestName>(&name.value());
    if (!test) return Error{ErrorCode::kNotFound, "no " + name.text(), {}};
    const TestSourceOptions options{{test->width, test->height}, test->fps};
    return StreamRegistry::Parts{{.source = name.text(), .slot_count = 3},
                                 [this, options]() -> proto::Result<std::unique_ptr<Source>> {
                                   std::unique_lock lock(mutex_);
                                   ++opened_;
                                   if (options.geometry.height == 3) {
                                     return Error{ErrorCode::kUnavailable, "it is broken", "mend it"};
                                   }
                                   if (options.geometry.height == 2)
                                     opening_.wait(lock, [&] { return may_open_; });
                                   return open_test_source(options);
                                 },
                                 HostPool::create};
  }
  void let_open() {
    std::lock_guard lock(mutex_);
    may_open_ = true;
    opening_.notify_all();
  }
  int opened() {
    std::lock_guard lock(mutex_);
    return opened_;
  }

  // Asks, and does not wait.
  std::shared_ptr<std::optional<Found>> ask(const std::string& source) {
    auto answer = std::make_shared<std::optional<Found>>();
    registry_->find(
        named(source), [this] { return quota_.add_source(kUid, quota_.limits()); },
        [answer](const Found& found) {
          EXPECT_FALSE(*answer) << "one answer";
          *answer = found;
        });
    return answer;
  }
  Found find(const std::string& source) {
    const auto answer = ask(source);
    EXPECT_TRUE(run_until([&] { return answer->has_value(); }));
    return answer->value_or(Found(Error{}));
  }
  static std::unique_ptr<Attachment> attach(Stream& stream) {
    auto attachment = stream.attach({});
    EXPECT_TRUE(attachment);
    return *std::move(attachment);
  }
  template <class Condition>
  ::testing::AssertionResult run_until(Condition&& condition) {
    for (const auto end = std::chrono::steady_clock::now() + 10s; !condition();) {
      if (std::chrono::steady_clock::now() > end) return ::testing::AssertionFailure() << "not within 10 s";
      io_.restart();
      io_.run_one_for(10ms);
    }
    return ::testing::AssertionSuccess();
  }

  const spdlog::level::level_enum log_level_;
  boost::asio::io_context io_;
  Quota quota_{{.sources_per_uid = 2}};
  std::mutex mutex_;
  std::condition_variable opening_;
  bool may_open_ = false;
  int opened_ = 0;
  std::optional<StreamRegistry> registry_;
};

TEST_F(StreamRegistryTest, ASourceStartsWithItsFirstClientAndEqualRequestsShareIt) {
  start(10s);
  EXPECT_TRUE(registry_->streams().empty());
  const auto first = find("test:8x8@10");
  ASSERT_TRUE(first) << first.error().text();
  const auto attachment = attach(**first);
  const auto second = find("test:8x8@10.0");
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(opened(), 1);
  ASSERT_TRUE(find("test:9x8@10"));
  EXPECT_EQ(opened(), 2);
  EXPECT_EQ(registry_->streams().size(), 2u);
}

TEST_F(StreamRegistryTest, ClientsThatComeWhileItOpensShareItToo) {
  start(10s);
  const auto first = ask("test:8x2@10");
  const auto second = ask("test:8x2@10");
  EXPECT_TRUE(registry_->streams().empty()) << "it is listed once it runs";
  let_open();
  ASSERT_TRUE(run_until([&] { return first->has_value() && second->has_value(); }));
  EXPECT_EQ(***first, ***second);
  EXPECT_EQ(opened(), 1);
}

TEST_F(StreamRegistryTest, ItEndsOnceItHadNoSubscriberForTheLinger) {
  start(50ms);
  auto stream = find("test:8x8@10");
  ASSERT_TRUE(stream);
  auto attachment = attach(**stream);
  const std::weak_ptr<Stream> ended = *stream;
  stream = Error{};
  io_.restart();
  io_.run_for(200ms);
  EXPECT_EQ(registry_->streams().size(), 1u) << "it has a subscriber";
  const auto left = std::chrono::steady_clock::now();
  attachment.reset();
  ASSERT_TRUE(run_until([&] { return ended.expired(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - left, 50ms);
  EXPECT_TRUE(registry_->streams().empty());

  ASSERT_TRUE(find("test:8x8@10"));
  EXPECT_EQ(opened(), 2);
}

TEST_F(StreamRegistryTest, ASubscriberWithinTheLingerFindsItRunning) {
  start(5s);
  const auto stream = find("test:8x8@10");
  for (int i = 0; i < 5; ++i) {
    attach(**stream).reset();
    EXPECT_EQ(*find("test:8x8@10"), *stream);
  }
  EXPECT_EQ(opened(), 1);
}

TEST_F(StreamRegistryTest, AReaderThatNeverSubscribedDoesNotKeepIt) {
  start(20ms);
  ASSERT_TRUE(find("test:8x8@10"));
  EXPECT_TRUE(run_until([&] { return registry_->streams().empty(); }));
}

// A process that hung up holds its leases, but asks for nothing.
TEST_F(StreamRegistryTest, WhoOnlyHoldsLeasesIsToldTheEndAndKeepsItsMemory) {
  start(20ms);
  std::unique_ptr<Attachment> attachment;
  {
    const auto stream = find("test:8x8@10");
    ASSERT_TRUE(stream);
    attachment = attach(**stream);
  }
  attachment->unsubscribe();
  EXPECT_TRUE(run_until([&] { return registry_->streams().empty(); }));
  const proto::ControlPage& control = *attachment->epoch().ring->control();
  EXPECT_TRUE(run_until([&] { return control.state.load() == static_cast<uint32_t>(StreamState::kEnded); }));
  EXPECT_STREQ(control.end_text, "nobody reads it any more");
  EXPECT_EQ(attachment->stream().options().source, "test:8x8@10");
}

TEST_F(StreamRegistryTest, AStreamThatWasAddedStaysWithoutSubscribers) {
  start(1ms);
  registry_->add(*Stream::create({.source = "screen"}), nullptr);
  const auto stream = find("screen");
  ASSERT_TRUE(stream);
  io_.restart();
  io_.run_for(50ms);
  EXPECT_EQ(registry_->streams().size(), 1u);
}

TEST_F(StreamRegistryTest, WhatCannotBeOpenedIsToldToWhoeverWaitsAndTriedAnew) {
  start(10s);
  const auto first = ask("test:8x3@10");
  const auto second = ask("test:8x3@10");
  ASSERT_TRUE(run_until([&] { return first->has_value() && second->has_value(); }));
  for (const auto& answer : {first, second}) {
    ASSERT_FALSE(**answer);
    EXPECT_EQ((*answer)->error().code, ErrorCode::kUnavailable);
    EXPECT_EQ((*answer)->error().text(), "it is broken (mend it)");
  }
  EXPECT_FALSE(find("test:8x3@10"));
  EXPECT_EQ(opened(), 2);
  EXPECT_EQ(find("screen").error().message, "no screen");
}

TEST_F(StreamRegistryTest, ASourceThatHangsBlocksNobodyAndIsToldInTime) {
  start(10s, 100ms);
  const auto begin = std::chrono::steady_clock::now();
  const auto hanging = ask("test:8x2@10");
  ASSERT_TRUE(find("test:8x8@10")) << "others open meanwhile";
  ASSERT_TRUE(run_until([&] { return hanging->has_value(); }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
  ASSERT_FALSE(**hanging);
  EXPECT_EQ((*hanging)->error().code, ErrorCode::kTimeout);
  EXPECT_THAT((*hanging)->error().text(), HasSubstr("test:8x2@10 did not open in time"));
  const auto again = ask("test:8x2@10");
  let_open();
  ASSERT_TRUE(run_until([&] { return again->has_value(); }));
  EXPECT_TRUE(**again);
  EXPECT_EQ(opened(), 2) << "the second client waited for the same opening";
}

TEST_F(StreamRegistryTest, WhatOpensTooLateForEverybodyEndsAfterTheLinger) {
  start(20ms, 20ms);
  const auto late = ask("test:8x2@10");
  ASSERT_TRUE(run_until([&] { return late->has_value(); }));
  EXPECT_FALSE(**late);
  let_open();
  ASSERT_TRUE(run_until([&] { return registry_->streams().size() == 1; }));
  EXPECT_TRUE(run_until([&] { return registry_->streams().empty(); }));
}

TEST_F(StreamRegistryTest, AUserMayStartSoManySourcesAndGetsThemBack) {
  start(20ms);
  auto first = attach(**find("test:8x8@10"));
  const auto second = attach(**find("test:9x8@10"));
  const auto third = find("test:10x8@10");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kQuotaExceeded);
  EXPECT_THAT(third.error().message, HasSubstr("too many sources started by user 1000: the limit is 2"));
  EXPECT_TRUE(find("test:9x8@10")) << "one that runs";
  first.reset();
  ASSERT_TRUE(run_until([&] { return registry_->streams().size() == 1; }));
  EXPECT_TRUE(run_until([&] { return bool(find("test:10x8@10")); }));
}

TEST_F(StreamRegistryTest, ThereAreAsManyStreamsAsALimitAllows) {
  start(10s);
  for (uint32_t i = 0; i < proto::kMaxStreams; ++i) {
    registry_->add(*Stream::create({.source = "test:" + std::to_string(i + 1) + "x1@1"}), nullptr);
  }
  const auto refused = find("test:8x8@10");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kQuotaExceeded);
  EXPECT_THAT(refused.error().message, HasSubstr("64 streams run"));
  EXPECT_TRUE(find("test:8x1@1"));
}

TEST_F(StreamRegistryTest, StoppingTellsTheReadersWhyAndNothingStartsAnyMore) {
  start(10s);
  const auto attachment = attach(**find("test:8x8@10"));
  EXPECT_TRUE(registry_->stop("going down"));
  EXPECT_STREQ(attachment->epoch().ring->control()->end_text, "going down");
  EXPECT_EQ(find("test:9x9@10").error().message, "frameringd ends");
}

}  // namespace
}  // namespace framering::daemon
