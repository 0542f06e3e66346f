// Who is woken when a frame is published.
#include "daemon/publisher.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/soon.h"

namespace framering::daemon {
namespace {

using testing::soon;

class PublisherTest : public ::testing::Test {
 protected:
  proto::LeasePage& add_reader(uint64_t asked_ns = 0, bool cursor = false) {
    auto reader = Reader::create({.wake_pipe = true, .cursor = cursor});
    EXPECT_TRUE(reader);
    (*reader)->page()->asked_ns = asked_ns;
    table_.add(*reader);
    return *(*reader)->page();
  }

  ReaderTable table_;
  std::optional<Publisher> publisher_{std::in_place, table_};
};

TEST_F(PublisherTest, EveryWaitingReaderIsWoken) {
  std::vector<proto::LeasePage*> pages;
  for (int i = 0; i < 50; ++i) pages.push_back(&add_reader());
  for (int round = 0; round < 20; ++round) {
    for (proto::LeasePage* page : pages) page->waiting.store(1);
    if (round % 2) publisher_->expect();
    publisher_->notify();
    for (proto::LeasePage* page : pages) ASSERT_TRUE(soon([&] { return page->waiting.load() == 0; }));
  }
  for (proto::LeasePage* page : pages) EXPECT_EQ(page->wake_word.load(), 20u);
}

TEST_F(PublisherTest, OneThatSleepsIsWokenBeforeThePumpGoesOn) {
  add_reader();
  add_reader();
  proto::LeasePage& sleeper = add_reader();
  for (int i = 0; i < 20; ++i) {
    sleeper.waiting.store(1);
    publisher_->notify();
    ASSERT_EQ(sleeper.waiting.load(), 0u);
  }
}

TEST_F(PublisherTest, OfTheSleepersOfAClientOneIsWoken) {
  constexpr long kSleepers = 100;
  proto::LeasePage& page = add_reader();
  std::vector<std::thread> sleepers;
  for (long i = 0; i < kSleepers; ++i) {
    sleepers.emplace_back([&] { syscall(SYS_futex, &page.wake_word, FUTEX_WAIT, 0, nullptr, nullptr, 0); });
  }
  // Moved from the word to itself, they are counted.
  const auto asleep = [&] {
    return syscall(SYS_futex, &page.wake_word, FUTEX_CMP_REQUEUE, 0, INT_MAX, &page.wake_word,
                   page.wake_word.load());
  };
  EXPECT_TRUE(soon([&] { return asleep() == kSleepers; }));
  page.waiting.store(1);
  publisher_->notify();
  EXPECT_EQ(asleep(), kSleepers - 1);
  publisher_->stop();
  EXPECT_EQ(syscall(SYS_futex, &page.wake_word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0), kSleepers - 1);
  for (std::thread& sleeper : sleepers) sleeper.join();
}

TEST_F(PublisherTest, WhoWasWokenAtOnceAndWaitsForTheNextFrameIsLeftAlone) {
  proto::LeasePage& first = add_reader();
  proto::LeasePage& second = add_reader();
  first.waiting.store(1);
  second.waiting.store(1);
  publisher_->notify();
  ASSERT_EQ(first.waiting.exchange(1), 0u);
  ASSERT_TRUE(soon([&] { return second.waiting.load() == 0; }));
  EXPECT_EQ(first.waiting.load(), 1u);
  EXPECT_EQ(first.wake_word.load(), 1u);
  publisher_->notify();
  EXPECT_TRUE(soon([&] { return first.waiting.load() == 0; }));
}

TEST_F(PublisherTest, AFrameThatIsExpectedAndDoesNotComeWakesNobody) {
  proto::LeasePage& page = add_reader();
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(page.wake_word.load(), i);
    page.armed.store(1);
    page.waiting.store(1);
    publisher_->expect();
    publisher_->notify();
    ASSERT_TRUE(soon([&] { return page.armed.load() == 0; })) << "the thread has been there";
    page.waiting.store(1);
    publisher_->expect();
    std::this_thread::yield();
    EXPECT_EQ(page.waiting.load(), 1u);
  }
}

TEST_F(PublisherTest, TheLastOfManyNotificationsIsNotLost) {
  proto::LeasePage& page = add_reader();
  for (int i = 0; i < 500; ++i) {
    for (int k = 0; k < i % 7; ++k) publisher_->notify();
    page.waiting.store(1);
    publisher_->notify();
    ASSERT_TRUE(soon([&] { return page.waiting.load() == 0; })) << "notification " << i;
  }
}

TEST_F(PublisherTest, AReaderThatWaitsOnceIsWokenOnceByAnyNumberOfNotifications) {
  proto::LeasePage& page = add_reader();
  page.waiting.store(1);
  for (int i = 0; i < 10'000; ++i) publisher_->notify();
  publisher_->stop();
  EXPECT_EQ(page.wake_word.load(), 1u);
}

TEST_F(PublisherTest, AConfirmationWakesOnlyWhoAskedForIt) {
  proto::LeasePage& indifferent = add_reader();
  proto::LeasePage& early = add_reader(100);
  proto::LeasePage& late = add_reader(200);
  for (proto::LeasePage* page : {&indifferent, &early, &late}) page->waiting.store(1);
  publisher_->notify_confirmed(150);
  ASSERT_TRUE(soon([&] { return early.waiting.load() == 0; }));
  early.waiting.store(1);
  publisher_->notify_confirmed(200);
  ASSERT_TRUE(soon([&] { return late.waiting.load() == 0; }));
  EXPECT_EQ(indifferent.wake_word.load(), 0u);
  EXPECT_EQ(early.wake_word.load(), 1u) << "it was answered before";
  publisher_->notify();
  EXPECT_TRUE(soon([&] { return indifferent.wake_word.load() == 1 && early.wake_word.load() == 2; }));
}

TEST_F(PublisherTest, OneWhomAConfirmationOrThePointerConcernsIsWokenBeforeThePumpGoesOn) {
  proto::LeasePage& indifferent = add_reader();
  add_reader(1, /*cursor=*/true);
  proto::LeasePage& concerned = add_reader(0, /*cursor=*/true);
  Reader& reader = *table_.snapshot()->back().reader;
  for (uint64_t i = 1; i <= 20; ++i) {
    reader.page()->asked_ns = 10 * i;
    for (proto::LeasePage* page : {&indifferent, &concerned}) page->waiting.store(1);
    publisher_->notify_confirmed(10 * i);
    ASSERT_EQ(concerned.waiting.load(), 0u);
    concerned.waiting.store(1);
    publisher_->notify_cursor();
    ASSERT_EQ(concerned.waiting.load(), 0u);
  }
  EXPECT_EQ(concerned.wake_word.load(), 40u);
  EXPECT_EQ(indifferent.wake_word.load(), 0u);
}

TEST_F(PublisherTest, AllWhomAConfirmationOrThePointerConcernsAreWoken) {
  std::vector<proto::LeasePage*> pages;
  for (int i = 0; i < 20; ++i) pages.push_back(&add_reader(7, /*cursor=*/true));
  proto::LeasePage& polling = *pages.back();
  for (proto::LeasePage* page : pages) page->waiting.store(1);
  polling.armed.store(1);
  publisher_->notify_confirmed(7);
  for (proto::LeasePage* page : pages) ASSERT_TRUE(soon([&] { return page->waiting.load() == 0; }));
  ASSERT_TRUE(soon([&] { return polling.armed.load() == 0; }));
  for (proto::LeasePage* page : pages) page->waiting.store(1);
  publisher_->notify_cursor();
  for (proto::LeasePage* page : pages) ASSERT_TRUE(soon([&] { return page->waiting.load() == 0; }));
}

TEST_F(PublisherTest, WhoOnlyPollsIsToldOfAConfirmationToo) {
  proto::LeasePage& sleeper = add_reader(5);
  proto::LeasePage& polling = add_reader(5);
  sleeper.waiting.store(1);
  polling.armed.store(1);
  publisher_->notify_confirmed(5);
  EXPECT_TRUE(soon([&] { return sleeper.waiting.load() == 0 && polling.armed.load() == 0; }));
}

TEST_F(PublisherTest, APointersMotionWakesOnlyWhoFollowsIt) {
  proto::LeasePage& indifferent = add_reader();
  proto::LeasePage& follower = add_reader(0, /*cursor=*/true);
  for (int i = 0; i < 20; ++i) {
    for (proto::LeasePage* page : {&indifferent, &follower}) page->waiting.store(1);
    publisher_->notify_cursor();
    ASSERT_TRUE(soon([&] { return follower.waiting.load() == 0; }));
  }
  publisher_->stop();
  EXPECT_EQ(indifferent.wake_word.load(), 1u) << "by the end alone";
}

TEST_F(PublisherTest, WhoIsWokenForAFrameAndAsksAtOnceIsWokenForTheAnswerToo) {
  proto::LeasePage& page = add_reader();
  Reader& reader = *table_.snapshot()->front().reader;
  for (uint64_t i = 1; i <= 2000; ++i) {
    page.waiting.store(1);
    publisher_->notify();
    ASSERT_TRUE(soon([&] { return page.waiting.load() == 0; }));
    reader.page()->asked_ns = i;
    page.waiting.store(1);
    publisher_->notify_confirmed(i);
    ASSERT_TRUE(soon([&] { return page.waiting.load() == 0; })) << "confirmation " << i;
  }
}

TEST_F(PublisherTest, ReadersMayLeaveWhileTheyAreWoken) {
  std::atomic<bool> done{false};
  std::atomic<uint64_t> asked_ns{1};
  std::thread comings_and_goings([&] {
    while (!done) {
      auto reader = *Reader::create({.wake_pipe = true});
      reader->page()->asked_ns = asked_ns.load();
      reader->page()->armed.store(1);
      reader->page()->waiting.store(1);
      table_.add(reader);
      table_.remove(reader.get());
    }
  });
  for (uint64_t i = 1; i < 3000; ++i) {
    publisher_->expect();
    if (i % 2) publisher_->notify();
    publisher_->notify_confirmed(i);
    asked_ns.store(i + 1);
    std::this_thread::yield();
  }
  done = true;
  comings_and_goings.join();
}

TEST_F(PublisherTest, StoppingWakesWhoeverWaits) {
  proto::LeasePage& first = add_reader();
  proto::LeasePage& second = add_reader();
  first.waiting.store(1);
  second.waiting.store(1);
  publisher_->stop();
  EXPECT_EQ(first.waiting.load(), 0u);
  EXPECT_EQ(second.waiting.load(), 0u);
  first.waiting.store(1);
  publisher_->stop();
  EXPECT_EQ(first.waiting.load(), 1u) << "the thread has ended";
}

TEST_F(PublisherTest, AskedForASignOfLifeItAnswersAndWakesNobody) {
  proto::LeasePage& page = add_reader();
  page.waiting.store(1);
  for (int i = 0; i < 20; ++i) {
    publisher_->ask_for_life();
    ASSERT_TRUE(soon([&] { return publisher_->is_alive(); }));
  }
  EXPECT_EQ(page.waiting.load(), 1u);
  publisher_->stop();
  EXPECT_EQ(page.waiting.load(), 0u);
  publisher_->ask_for_life();
  EXPECT_FALSE(publisher_->is_alive()) << "the thread has ended";
}

TEST_F(PublisherTest, DestroyingItWakesWhoeverWaits) {
  proto::LeasePage& page = add_reader();
  page.waiting.store(1);
  publisher_.reset();
  EXPECT_EQ(page.waiting.load(), 0u);
}

TEST_F(PublisherTest, AReaderThatCameAfterTheStartIsWokenAndOneThatLeftIsNot) {
  publisher_->notify();
  proto::LeasePage& stays = add_reader();
  proto::LeasePage& leaves = add_reader();
  const auto held = table_.snapshot();
  table_.remove(held->at(1).reader.get());
  stays.waiting.store(1);
  leaves.waiting.store(1);
  publisher_->stop();
  EXPECT_EQ(stays.waiting.load(), 0u);
  EXPECT_EQ(leaves.waiting.load(), 1u);
}

}  // namespace
}  // namespace framering::daemon
