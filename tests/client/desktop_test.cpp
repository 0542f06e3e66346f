// The desktop as the library tells it: what is there, when it changes, and whether a window is shown.
#include <gmock/gmock.h>
#include <poll.h>

#include <algorithm>
#include <thread>

#include "tests/client/client_fixture.h"
#include "tests/support/child.h"
#include "tests/support/made_edid.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

using ::testing::HasSubstr;

class DesktopTest : public ::testing::Test {
 protected:
  static const WindowInfo* find(const Desktop& desktop, const X11TestWindow& window) {
    const auto found = std::ranges::find(desktop.windows, window.id(), &WindowInfo::id);
    return found == desktop.windows.end() ? nullptr : &*found;
  }
  static bool readable(int fd) {
    pollfd state{fd, POLLIN, 0};
    return poll(&state, 1, 0) > 0;
  }
  // The next states of the desktop until one is so.
  template <class Condition>
  static ::testing::AssertionResult follow(DesktopWatch& watch, Condition&& condition) {
    for (int i = 0; i < 100; ++i) {
      const auto desktop = watch.next(kLong);
      if (!desktop) return ::testing::AssertionFailure() << "no change in time";
      if (condition(*desktop)) return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << "not within 100 changes";
  }

  std::optional<Xvfb> server_{std::in_place, XvfbOptions{.screen = "800x600x24"}};
  const std::string display_ = server_->display();
  DaemonProcess daemon_{{"--display", display_}};
  Connection connection_ = Connection::connect(daemon_.socket());
};

TEST_F(DesktopTest, WindowsAreToldAsTheirProgramsMadeThem) {
  X11TestWindow below(display_, {.place = {20, 30, 300, 200}, .title = "below"});
  X11TestWindow above(display_, {.place = {-5, 40, 100, 50}, .title = "above", .class_name = "Other"});
  const Desktop desktop = connection_.desktop();
  EXPECT_EQ(desktop.display, display_);
  EXPECT_EQ(desktop.width, 800u);
  EXPECT_EQ(desktop.height, 600u);
  ASSERT_EQ(desktop.windows.size(), 2u);
  EXPECT_EQ(desktop.window_count, 2u);
  const WindowInfo& first = desktop.windows[0];
  EXPECT_EQ(first.id, above.id());
  EXPECT_EQ(first.source(), above.source());
  EXPECT_EQ(first.title, "above");
  EXPECT_EQ(first.class_name, "Other");
  EXPECT_EQ(std::tuple(first.x, first.y, first.width, first.height), std::tuple(-5, 40, 100u, 50u));
  EXPECT_TRUE(first.mapped);
  EXPECT_EQ(desktop.windows[1].id, below.id());
  below.unmap();
  EXPECT_FALSE(find(connection_.desktop(), below)->mapped);
  below.destroy();
  EXPECT_EQ(connection_.desktop().windows.size(), 1u);
}

TEST_F(DesktopTest, AMonitorsMakeAndModelAreThoseOfItsEdid) {
  const auto edid = make_edid("DEL", 0x40f1, "DELL U2720Q");
  X11Desktop(display_).set_edid(edid);
  const Desktop desktop = connection_.desktop();
  ASSERT_EQ(desktop.monitors.size(), 1u);
  EXPECT_EQ(desktop.monitors[0].make, "DEL");
  EXPECT_EQ(desktop.monitors[0].model, "DELL U2720Q");
  EXPECT_EQ(desktop.monitors[0].edid, edid);
}

TEST_F(DesktopTest, EachMonitorAndWindowOpensByItsSource) {
  X11TestWindow window(display_);
  const Desktop desktop = connection_.desktop();
  ASSERT_EQ(desktop.monitors.size(), 1u);
  EXPECT_EQ(connection_.open({.source = desktop.monitors[0].source()}).width(), 800u);
  EXPECT_EQ(connection_.open({.source = desktop.windows.at(0).source()}).width(), 300u);
}

TEST_F(DesktopTest, AWatchTellsTheStateAtOnceAndThenEachChange) {
  DesktopWatch watch = connection_.watch_desktop();
  const auto before = watch.next(0s);
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->windows.empty());
  EXPECT_FALSE(watch.next(50ms));
  EXPECT_FALSE(readable(watch.fd()));
  X11TestWindow window(display_, {.title = "first"});
  EXPECT_TRUE(soon([&] { return readable(watch.fd()); }));
  EXPECT_TRUE(follow(watch, [&](const Desktop& desktop) { return find(desktop, window) != nullptr; }));
  window.move(100, 120);
  EXPECT_TRUE(follow(watch, [&](const Desktop& desktop) { return find(desktop, window)->x == 100; }));
  window.unmap();
  EXPECT_TRUE(follow(watch, [&](const Desktop& desktop) { return !find(desktop, window)->mapped; }));
  window.destroy();
  EXPECT_TRUE(follow(watch, [](const Desktop& desktop) { return desktop.windows.empty(); }));
}

TEST_F(DesktopTest, StreamsAreWatchedTooAndTheWatchOutlivesItsConnection) {
  std::optional<Connection> connection = Connection::connect(daemon_.socket());
  DesktopWatch watch = connection->watch_desktop();
  connection.reset();
  ASSERT_TRUE(watch.next(kLong));
  Stream stream = connection_.open({.source = "test:64x48@1"});
  EXPECT_TRUE(watch.next(kLong));
}

TEST_F(DesktopTest, AHundredChangesBetweenTwoCallsAreFew) {
  X11TestWindow window(display_);
  DesktopWatch watch = connection_.watch_desktop();
  ASSERT_TRUE(watch.next(kLong));
  for (int16_t i = 1; i <= 100; ++i) window.move(i, i);
  int changes = 0;
  EXPECT_TRUE(follow(watch, [&](const Desktop& desktop) {
    ++changes;
    return find(desktop, window)->x == 100;
  }));
  EXPECT_LE(changes, 50);
}

TEST_F(DesktopTest, ALaterWatchOfAConnectionTakesThePlaceOfTheEarlier) {
  DesktopWatch first = connection_.watch_desktop();
  ASSERT_TRUE(first.next(kLong));
  DesktopWatch second = connection_.watch_desktop();
  EXPECT_EQ(error_of([&] { first.next(kLong); }), ErrorCode::disconnected);
  EXPECT_TRUE(second.next(kLong));
}

TEST_F(DesktopTest, AWatchEndsWithTheDaemonAndWithASignal) {
  DesktopWatch watch = connection_.watch_desktop();
  ASSERT_TRUE(watch.next(kLong));
  EXPECT_FALSE(watch.next(forever, [] { return false; }));
  daemon_.end(SIGTERM);
  EXPECT_EQ(error_of([&] { watch.next(kLong); }), ErrorCode::disconnected);
}

TEST_F(DesktopTest, AnXServerThatIsGoneIsToldWithTheReasonAndNoticedByWhoWatches) {
  DesktopWatch watch = connection_.watch_desktop();
  ASSERT_TRUE(watch.next(kLong));
  server_->kill();
  EXPECT_EQ(error_of([&] {
              while (watch.next(kLong)) continue;
            }),
            ErrorCode::unavailable);
  try {
    connection_.desktop();
    FAIL() << "there is no desktop";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_THAT(error.what(), HasSubstr(display_));
  }
  server_.emplace(XvfbOptions{.screen = "640x480x24", .display = display_});
  EXPECT_TRUE(soon([&] {
    try {
      const auto desktop = watch.next(kLong);
      return desktop && desktop->width == 640;
    } catch (const Error&) {
      return false;
    }
  }));
}

TEST_F(DesktopTest, AForkedChildIsToldSo) {
  DesktopWatch watch = connection_.watch_desktop();
  Child child([&] {
    if (error_of([&] { connection_.desktop(); }) != ErrorCode::forked) return 1;
    if (error_of([&] { connection_.watch_desktop(); }) != ErrorCode::forked) return 2;
    if (error_of([&] { watch.next(kLong); }) != ErrorCode::forked) return 3;
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(DesktopTest, AHiddenWindowsStreamIsStaleUntilItIsShownAgain) {
  X11TestWindow window(display_);
  Stream stream = connection_.open({.source = window.source(), .wake_fd = true});
  ASSERT_TRUE(stream.next(kLong));
  EXPECT_FALSE(stream.stale());
  EXPECT_TRUE(stream.wait_live(0s));
  const int fd = stream.wake_fd();
  const auto expect_woken = [&](bool stale) {
    EXPECT_TRUE(soon([&] {
      stream.arm();
      if (stream.stale() == stale) return true;
      pollfd state{fd, POLLIN, 0};
      if (poll(&state, 1, 5000) == 1) stream.drain();
      return stream.stale() == stale;
    }));
  };
  window.unmap();
  expect_woken(true);
  EXPECT_TRUE(stream.latest(kLong)) << "the last content stays";
  EXPECT_FALSE(stream.wait_live(50ms));
  EXPECT_FALSE(stream.wait_live(forever, [] { return false; }));
  std::thread waiter([&] { EXPECT_TRUE(stream.wait_live(kLong)); });
  window.map();
  waiter.join();
  EXPECT_FALSE(stream.stale());
  window.destroy();
  EXPECT_EQ(error_of([&] {
              window.sync();
              while (stream.next(kLong)) continue;
            }),
            ErrorCode::stream_ended);
  EXPECT_EQ(error_of([&] { stream.wait_live(kLong); }), ErrorCode::stream_ended);
}

TEST_F(DesktopTest, AStreamSaysWhereOnTheDesktopItIs) {
  X11TestWindow window(display_, {.place = {20, 30, 300, 200}});
  Stream stream = connection_.open({.source = window.source()});
  ASSERT_TRUE(stream.next(kLong));
  EXPECT_EQ(stream.position(), (Point{20, 30}));
  const uint64_t epoch = stream.epoch();
  for (const Point place : {Point{100, 120}, Point{-40, 0}, Point{700, 500}}) {
    window.move(static_cast<int16_t>(place.x), static_cast<int16_t>(place.y));
    EXPECT_TRUE(soon([&] { return stream.position() == place; })) << place.x;
  }
  EXPECT_EQ(stream.epoch(), epoch) << "a move is no new epoch";
  window.resize(200, 100);
  while (stream.next(kLong)->width() != 200) {
  }
  EXPECT_TRUE(soon([&] { return stream.position() == Point{700, 500}; }));
  EXPECT_EQ(connection_.open({.source = "region:10,20,64x48"}).position(), (Point{10, 20}));
  EXPECT_EQ(connection_.open({.source = "screen"}).position(), (Point{0, 0}));
}

}  // namespace
}  // namespace framering::testing
