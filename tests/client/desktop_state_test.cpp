// What readers are told of a desktop that nobody sees.
#include <gtest/gtest.h>
#include <poll.h>

#include "tests/client/client_fixture.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

class DesktopStateTest : public ::testing::Test {
 protected:
  Stream open(const std::string& source) {
    Stream stream = connection_.open({.source = source, .wake_fd = true});
    EXPECT_TRUE(stream.next(kLong));
    return stream;
  }
  // What has been drawn by now is in no frame that is still to come.
  static void settle(Stream& stream) {
    const auto now_ns = static_cast<uint64_t>(Clock::now().time_since_epoch() / 1ns);
    EXPECT_TRUE(stream.wait_until(now_ns, kLong));
  }
  // Sleeps until the state is this one; false if it does not become so.
  static bool becomes(Stream& stream, const DesktopState& state) {
    for (;;) {
      stream.arm();
      if (stream.state() == state) return true;
      pollfd fd{stream.wake_fd(), POLLIN, 0};
      if (poll(&fd, 1, std::chrono::milliseconds(kLong).count()) != 1) return false;
      stream.drain();
    }
  }

  const Xvfb server_{{.screen = "320x200x24"}};
  X11Desktop desktop_{server_.display()};
  DaemonProcess daemon_{{"--source", "screen", "--display", server_.display()}};
  Connection connection_ = Connection::connect(daemon_.socket());
};

TEST_F(DesktopStateTest, ABlankedScreenIsToldToAllStreamsOfTheDesktopAndFramesGoOn) {
  const X11TestWindow window(server_.display());
  Stream screen = open("screen");
  Stream region = open("region:10,10,50x50");
  Stream single = open(window.source());
  EXPECT_EQ(screen.state(), DesktopState{});
  for (int round = 0; round < 3; ++round) {
    for (Stream* stream : {&screen, &region, &single}) settle(*stream);
    desktop_.blank(true);
    for (Stream* stream : {&screen, &region, &single}) {
      EXPECT_TRUE(becomes(*stream, {.blanked = true}));
      EXPECT_FALSE(stream->next(0ns)) << "it is no new frame";
    }
    desktop_.fill({0, 0, 20, 20}, static_cast<uint32_t>(round));
    desktop_.sync();
    EXPECT_TRUE(screen.next(kLong));
    desktop_.blank(false);
    for (Stream* stream : {&screen, &region, &single}) EXPECT_TRUE(becomes(*stream, {}));
  }
}

TEST_F(DesktopStateTest, WhoComesLaterIsToldWithTheFirstFrame) {
  desktop_.blank(true);
  EXPECT_EQ(open("region:0,0,40x40").state(), DesktopState{.blanked = true});
  EXPECT_EQ(open("screen").state(), DesktopState{.blanked = true});
  DaemonProcess another({"--source", "screen", "--display", server_.display()});
  Connection connection = Connection::connect(another.socket());
  Stream stream = connection.open();
  ASSERT_TRUE(stream.next(kLong));
  EXPECT_EQ(stream.state(), DesktopState{.blanked = true});
}

TEST_F(DesktopStateTest, AServerWithoutAScreenSaverIsNeverDark) {
  const Xvfb server({.screen = "320x200x24", .arguments = {"-extension", "MIT-SCREEN-SAVER"}});
  const DaemonProcess daemon({"--source", "screen", "--display", server.display()});
  Connection connection = Connection::connect(daemon.socket());
  Stream stream = connection.open();
  ASSERT_TRUE(stream.next(kLong));
  X11Desktop(server.display()).blank(true);
  EXPECT_EQ(stream.state(), DesktopState{});
}

}  // namespace
}  // namespace framering::testing
