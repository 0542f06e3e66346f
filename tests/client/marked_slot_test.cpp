// A daemon that stops between marking a slot and deciding about it, as a preempted or stopped one does: its
// ring as a client sees it then.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "framering/framering.h"
#include "tests/unit/server_fixture.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;

class MarkedSlotTest : public daemon::ServerTest {
 protected:
  MarkedSlotTest() {
    add_stream("test:64x32@0.01").set_epoch(epoch_);
    start();
    io_thread_ = std::thread([this] { io_.run(); });
  }
  ~MarkedSlotTest() override {
    io_.stop();
    io_thread_.join();
  }

  uint32_t publish() {
    const auto readers = epoch_->readers.snapshot();
    const auto slot = epoch_->ring->begin_write(*readers, daemon::now_ns());
    epoch_->ring->publish(slot.value(), {}, daemon::now_ns());
    return *slot;
  }
  void mark(uint32_t slot) {
    auto& header = proto::slot_headers(const_cast<proto::ControlPage*>(epoch_->ring->control()))[slot];
    header.sequence.fetch_or(proto::kSlotTentative);
  }

  const std::shared_ptr<daemon::Epoch> epoch_ = make_epoch();
  std::thread io_thread_;
};

TEST_F(MarkedSlotTest, AReaderInOrderGoesOnAfterIt) {
  Connection connection = Connection::connect(path_);
  Stream stream = connection.open({.source = "test:64x32@0.01", .mode = Mode::every});
  publish();
  EXPECT_EQ(stream.next(10s)->sequence(), 1u);
  mark(publish());
  publish();
  EXPECT_EQ(stream.next(10s)->sequence(), 3u);
  EXPECT_EQ(stream.missed(), 1u);
}

TEST_F(MarkedSlotTest, NoCallOutlastsItsTimeout) {
  Connection connection = Connection::connect(path_);
  for (const Mode mode : {Mode::latest, Mode::every}) {
    Stream stream = connection.open({.source = "test:64x32@0.01", .mode = mode});
    mark(publish());
    EXPECT_FALSE(stream.next(20ms));
    EXPECT_FALSE(stream.latest(20ms));
  }
}

}  // namespace
}  // namespace framering::testing
