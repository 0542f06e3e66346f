// When the desktop is looked at, and who is told.
#include "daemon/desktop_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <vector>

#include "tests/unit/fake_desktop.h"

namespace framering::daemon {
namespace {

using namespace std::chrono_literals;
using proto::DesktopReply;
using proto::ErrorCode;
using testing::FakeDisplay;
using ::testing::HasSubstr;

DesktopReply with_window(const std::string& title) {
  DesktopReply desktop;
  desktop.windows = {{.id = 7, .title = title}};
  desktop.window_count = 1;
  return desktop;
}

class DesktopWatcherTest : public ::testing::Test {
 protected:
  ~DesktopWatcherTest() override { EXPECT_TRUE(watcher_.stop()); }

  // Runs the io thread's part until the condition holds.
  void run_until(const std::function<bool()>& condition) {
    for (const auto end = std::chrono::steady_clock::now() + 20s; !condition();) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "this did not come true in time";
      io_.restart();
      io_.run_one_for(10ms);
    }
  }
  DesktopWatcher::Found ask() {
    std::optional<DesktopWatcher::Found> found;
    watcher_.ask([&](const DesktopWatcher::Found& answer) { found = answer; });
    run_until([&] { return found.has_value(); });
    return *found;
  }
  std::string title() {
    const auto found = ask();
    return found && !(*found)->windows.empty() ? (*found)->windows[0].title : "";
  }

  // A desktop with this window; changes_ counts what is told of it from now on.
  void watch(const std::string& title) {
    display_.show(with_window(title));
    ASSERT_TRUE(ask());
    watcher_.on_change([this] { ++changes_; });
    watcher_.watch(true);
  }

  int changes_ = 0;
  boost::asio::io_context io_;
  FakeDisplay display_;
  DesktopWatcher watcher_{io_, [this] { return display_.open(); }, 300ms};
};

TEST_F(DesktopWatcherTest, AnAnswerIsOfTheDesktopAsItWasWhenAskedOrLater) {
  for (int i = 0; i < 20; ++i) {
    display_.show(with_window(std::to_string(i)));
    EXPECT_EQ(title(), std::to_string(i));
  }
}

TEST_F(DesktopWatcherTest, NobodyWhoAsksAndWatchesMeansThatNothingIsOpened) {
  io_.run_for(100ms);
  EXPECT_EQ(display_.opens, 0);
  ASSERT_TRUE(ask());
  EXPECT_EQ(display_.opens, 1);
  run_until([&] { return display_.open_now == 0; });
  const int questions = display_.questions;
  display_.show(with_window("unseen"));
  io_.restart();
  io_.run_for(100ms);
  EXPECT_EQ(display_.questions, questions);
}

TEST_F(DesktopWatcherTest, AnUnchangedDesktopIsAskedAndNotLookedAtAgain) {
  display_.show(with_window("still"));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(title(), "still");
  EXPECT_EQ(display_.looks, display_.opens);
}

TEST_F(DesktopWatcherTest, AThousandWhoAskAtOnceShareALook) {
  display_.show(with_window("one"));
  title();
  const int looks = display_.looks;
  int answers = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    watcher_.ask([&](const DesktopWatcher::Found& found) { answers += bool(found); });
    if (i % 100 == 0) display_.show(with_window(std::to_string(i)));
  }
  run_until([&] { return answers == 1000; });
  EXPECT_LE(display_.looks - looks, 2 + (std::chrono::steady_clock::now() - begin) / 50ms);
}

TEST_F(DesktopWatcherTest, WhoWatchesIsToldOfEachChangeAndOfNothingElse) {
  watch("first");
  display_.show(with_window("second"));
  run_until([&] { return changes_ == 1; });
  const int looks = display_.looks;
  display_.show(with_window("second"));
  run_until([&] { return display_.looks > looks; });
  io_.restart();
  io_.run_for(50ms);
  EXPECT_EQ(changes_, 1) << "it looks as before";
}

TEST_F(DesktopWatcherTest, ADesktopThatIsLostAndComesBackIsAChangeEach) {
  watch("first");
  display_.lose("the X server has gone");
  run_until([&] { return changes_ == 2; });
  EXPECT_EQ(title(), "first");
  EXPECT_EQ(display_.opens, 2);
}

TEST_F(DesktopWatcherTest, ADesktopThatHangsIsToldOfAndHoldsUpNobodyElse) {
  display_.show(with_window("first"));
  ASSERT_TRUE(ask());
  display_.hang();
  display_.show(with_window("second"));
  display_.hang();
  std::vector<ErrorCode> codes;
  for (int i = 0; i < 3; ++i) {
    watcher_.ask([&](const DesktopWatcher::Found& found) { codes.push_back(found.error().code); });
  }
  run_until([&] { return codes.size() == 3; });
  EXPECT_EQ(codes, std::vector(3, ErrorCode::kTimeout));
  display_.show(with_window("third"));
  EXPECT_EQ(title(), "third");
}

TEST_F(DesktopWatcherTest, StoppingEndsALookThatHangs) {
  display_.hang();
  int answers = 0;
  watcher_.ask([&](const DesktopWatcher::Found&) { ++answers; });
  run_until([&] { return display_.questions > 0; });
  EXPECT_TRUE(watcher_.stop());
  io_.restart();
  io_.run_for(10ms);
  EXPECT_EQ(answers, 0);
}

TEST(DesktopWatcherWithoutADesktop, SaysWhyAndTriesAgainForTheNext) {
  boost::asio::io_context io;
  int opens = 0;
  DesktopWatcher watcher(io, [&]() -> proto::Result<std::unique_ptr<Desktop>> {
    return proto::Error{ErrorCode::kUnavailable, "no X display is named, try " + std::to_string(++opens), {}};
  });
  for (const char* expected : {"try 1", "try 2"}) {
    std::string told;
    watcher.ask([&](const DesktopWatcher::Found& found) { told = found.error().text(); });
    for (int i = 0; i < 2000 && told.empty(); ++i) {
      io.restart();
      io.run_one_for(10ms);
    }
    EXPECT_THAT(told, HasSubstr(expected));
  }
  EXPECT_TRUE(watcher.stop());
}

}  // namespace
}  // namespace framering::daemon
