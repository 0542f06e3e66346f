// Who is woken when a frame is published.
#include "daemon/publisher.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/support/soon.h"

namespace framering::daemon {
namespace {

using testing::soon;

class PublisherTest : public ::testing::Test {
 protected:
  proto::LeasePage& add_reader(uint64_t asked_ns = 0) {
    auto reader = Reader::create({});
    EXPECT_TRUE(reader);
    (*reader)->asked_ns = asked_ns;
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
    publisher_->notify();
    for (proto::LeasePage* page : pages) ASSERT_TRUE(soon([&] { return page->waiting.load() == 0; }));
  }
  for (proto::LeasePage* page : pages) EXPECT_EQ(page->wake_word.load(), 20u);
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
