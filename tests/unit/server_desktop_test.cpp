// Who sees what of the desktop, and who is told that it has changed.
#include "tests/unit/fake_desktop.h"
#include "tests/unit/server_fixture.h"

namespace framering::daemon {
namespace {

using proto::DesktopReply;
using proto::DesktopRequest;
using proto::ListReply;
using proto::ListRequest;
using proto::MonitorInfo;
using proto::OpenRequest;
using proto::WatchReply;
using proto::WatchRequest;
using proto::WindowInfo;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kSource = "test:64x32@1";

DesktopReply some_desktop() {
  DesktopReply desktop{.display = ":7", .width = 640, .height = 480};
  desktop.monitors = {{.name = "LEFT", .width = 320, .primary = true}, {.name = "RIGHT", .width = 320}};
  desktop.windows = {{.id = 0x1a, .title = "Mail: my secrets", .class_name = "Mail", .instance = "mail"},
                     {.id = 0x2b, .title = "Terminal", .class_name = "XTerm", .instance = "xterm"},
                     {.id = 0x3c, .title = "nameless"}};
  desktop.window_count = 3;
  return desktop;
}

class ServerDesktopTest : public ServerTest {
 protected:
  ServerDesktopTest() {
    open_desktop_ = [this] { return display_.open(); };
    display_.show(some_desktop());
    stream_ = &add_stream(kSource);
    stream_->set_epoch(make_epoch());
    io_.poll();  // it is told of before anybody watches
  }

  static bool has_byte(int fd) {
    char byte;
    return read(fd, &byte, 1) == 1;
  }
  // The reading end of a pipe of a peer that has listed the desktop.
  static int watch(Peer& peer, UniqueFd& pipe) {
    peer.ask<WatchReply>(WatchRequest{});
    pipe = UniqueFd(dup(peer.fds().at(0).get()));
    peer.ask<DesktopReply>(DesktopRequest{});
    return pipe.get();
  }
  void change(const std::string& title) {
    DesktopReply desktop = some_desktop();
    desktop.windows[0].title = title;
    display_.show(std::move(desktop));
  }

  testing::FakeDisplay display_;
  Stream* stream_;
};

TEST_F(ServerDesktopTest, TheDaemonsOwnUserSeesAllOfIt) {
  start();
  EXPECT_EQ(connect().greet().ask<DesktopReply>(DesktopRequest{}), some_desktop());
}

TEST_F(ServerDesktopTest, WhyThereIsNoDesktopIsAnErrorAndTheConnectionGoesOn) {
  open_desktop_ = []() -> proto::Result<std::unique_ptr<Desktop>> {
    return Error{ErrorCode::kUnavailable, "no X server answers at :7", "start one"};
  };
  start();
  Peer peer = connect();
  const auto error = peer.greet().ask<Error>(DesktopRequest{});
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.text(), "no X server answers at :7 (start one)");
  EXPECT_EQ(peer.ask<ListReply>(ListRequest{}).streams.size(), 1u);
}

TEST_F(ServerDesktopTest, ChangesAreOneByteUntilTheClientListsAgain) {
  start();
  Peer peer = connect();
  UniqueFd pipe;
  const int fd = watch(peer.greet(), pipe);
  EXPECT_FALSE(has_byte(fd));
  change("one");
  ASSERT_TRUE(run_until([&] { return readable(fd); }));
  // Nothing is looked at for a client that has been told and does not come.
  const int looks = display_.looks;
  for (int i = 0; i < 5; ++i) change("two " + std::to_string(i));
  io_.restart();
  io_.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(display_.looks, looks);
  EXPECT_TRUE(has_byte(fd));
  EXPECT_FALSE(has_byte(fd));
  EXPECT_EQ(peer.ask<DesktopReply>(DesktopRequest{}).windows.at(0).title, "two 4");
  EXPECT_FALSE(has_byte(fd));
  change("three");
  EXPECT_TRUE(run_until([&] { return has_byte(fd); }));
}

TEST_F(ServerDesktopTest, StreamsThatComeGoOrGetClientsAreChangesToo) {
  start();
  Peer watcher = connect();
  UniqueFd pipe;
  const int fd = watch(watcher.greet(), pipe);
  const auto expect_told = [&](const char* what) {
    EXPECT_TRUE(run_until([&] { return has_byte(fd); })) << what;
    watcher.ask<ListReply>(ListRequest{});
  };
  watcher.ask<ListReply>(ListRequest{});
  Peer reader = connect();
  const auto opened = reader.greet().open(kSource);
  expect_told("a client opens a stream");
  reader.ask<proto::CloseReply>(proto::CloseRequest{opened.stream_id});
  expect_told("it closes the stream");
  stream_->set_unavailable("unplugged");
  expect_told("the source is gone");
  stream_->set_epoch(make_epoch(2));
  expect_told("it is back");
}

TEST_F(ServerDesktopTest, ALaterWatchTakesThePlaceOfTheOneBefore) {
  start();
  Peer peer = connect();
  UniqueFd first, second;
  watch(peer.greet(), first);
  const int fd = watch(peer, second);
  char byte;
  EXPECT_EQ(read(first.get(), &byte, 1), 0) << "hung up";
  change("one");
  EXPECT_TRUE(run_until([&] { return has_byte(fd); }));
}

TEST_F(ServerDesktopTest, AWatcherThatHangsUpIsWatchedForNoMore) {
  start();
  {
    Peer peer = connect();
    UniqueFd pipe;
    watch(peer.greet(), pipe);
  }
  ASSERT_TRUE(run_until([&] { return server_->session_count() == 0; }));
  ASSERT_TRUE(run_until([&] { return display_.open_now == 0; })) << "nothing is kept open for nobody";
}

TEST_F(ServerDesktopTest, AClientThatDoesNotReadItsDesktopIsDropped) {
  start();
  Peer peer = connect();
  peer.greet();
  peer.send(DesktopRequest{});
  peer.send(DesktopRequest{});
  ASSERT_TRUE(run_until([&] { return server_->session_count() == 0; }));
  Peer other = connect();
  EXPECT_EQ(other.greet().ask<DesktopReply>(DesktopRequest{}), some_desktop());
}

class DesktopPolicyTest : public ServerDesktopTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  }
  // What a foreign user sees who may read these sources.
  DesktopReply seen_with(std::vector<std::string> sources) {
    start({.rules = {{.sources = std::move(sources), .name = "rule 1"}}});
    return connect(kForeigner).greet().ask<DesktopReply>(DesktopRequest{});
  }
  static std::vector<std::string> titles(const DesktopReply& desktop) {
    std::vector<std::string> titles;
    for (const WindowInfo& window : desktop.windows) titles.push_back(window.title);
    return titles;
  }
  static std::vector<std::string> names(const DesktopReply& desktop) {
    std::vector<std::string> names;
    for (const MonitorInfo& monitor : desktop.monitors) names.push_back(monitor.name);
    return names;
  }
};

TEST_F(DesktopPolicyTest, WhoMayOpenNoWindowSeesNone) {
  const auto desktop = seen_with({"screen", "monitor:*", "region:*", "test:*"});
  EXPECT_THAT(titles(desktop), IsEmpty());
  EXPECT_EQ(desktop.window_count, 0u);
  EXPECT_THAT(desktop.windows_withheld, HasSubstr("lets user 65534 see no windows"));
  EXPECT_THAT(names(desktop), ElementsAre("LEFT", "RIGHT"));
  EXPECT_EQ(desktop.monitors_withheld, "");
}

TEST_F(DesktopPolicyTest, WhoMayOpenNoMonitorSeesNone) {
  const auto desktop = seen_with({"window:*"});
  EXPECT_THAT(names(desktop), IsEmpty());
  EXPECT_THAT(desktop.monitors_withheld, HasSubstr("lets user 65534 see no monitors"));
  EXPECT_EQ(desktop.windows.size(), 3u);
}

TEST_F(DesktopPolicyTest, OneWindowOrMonitorIsSeenByWhoMayOpenIt) {
  EXPECT_THAT(titles(seen_with({"window:class=XTerm"})), ElementsAre("Terminal"));
  EXPECT_THAT(titles(seen_with({"window:class=mail"})), ElementsAre("Mail: my secrets"));
  EXPECT_THAT(titles(seen_with({"window:0x3c"})), ElementsAre("nameless"));
  EXPECT_THAT(titles(seen_with({"window:title=Term*"})), ElementsAre("Terminal"));
  EXPECT_THAT(titles(seen_with({"window:active"})), IsEmpty());
  EXPECT_THAT(names(seen_with({"monitor:RIGHT"})), ElementsAre("RIGHT"));
  EXPECT_THAT(names(seen_with({"monitor:2"})), ElementsAre("RIGHT"));
}

TEST_F(DesktopPolicyTest, AnErrorAboutOneWindowNamesOthersOnlyToWhoMaySeeThem) {
  // The registry of these tests answers each unknown source with the hint "there is another".
  start({.rules = {{.sources = {"window:title=Term*", "monitor:LEFT"}, .name = "rule 1"}}});
  Peer foreigner = connect(kForeigner);
  foreigner.greet();
  EXPECT_EQ(foreigner.ask<Error>(OpenRequest{"window:title=Termite"}).hint, "");
  EXPECT_EQ(foreigner.ask<Error>(OpenRequest{"monitor:LEFT"}).hint, "");
  EXPECT_EQ(connect().greet().ask<Error>(OpenRequest{"window:title=Termite"}).hint, "there is another");
  start({.rules = {{.sources = {"*"}, .name = "rule 1"}}});
  EXPECT_EQ(connect(kForeigner).greet().ask<Error>(OpenRequest{"window:title=Termite"}).hint,
            "there is another");
}

}  // namespace
}  // namespace framering::daemon
