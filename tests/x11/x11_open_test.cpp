// Which X servers are refused, and with what words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "daemon/capture/x11_source.h"
#include "daemon/memory/host_pool.h"
#include "proto/unique_fd.h"
#include "tests/support/x11_proxy.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::X11Proxy;
using testing::Xvfb;

// Far from the numbers that real servers take, and another for each process of this test.
const std::string kFreeNumber = std::to_string(50'000 + getpid() % 9'000);
const std::string kFreeDisplay = ":" + kFreeNumber;
const std::string kFreePath = "/tmp/.X11-unix/X" + kFreeNumber;

class X11Open : public ::testing::Test {
 protected:
  ~X11Open() override {
    unsetenv("DISPLAY");
    unsetenv("XAUTHORITY");
  }

  static void expect_refusal(const std::string& display, ErrorCode code, const auto& text) {
    const auto source = open_x11_source({.display = display});
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, code);
    EXPECT_THAT(source.error().text(), text);
  }
};

TEST_F(X11Open, DisplayComesFromTheEnvironmentIfNoneIsNamed) {
  const Xvfb server;
  setenv("DISPLAY", server.display().c_str(), 1);
  EXPECT_TRUE(open_x11_source({}));
}

TEST_F(X11Open, NoDisplayAtAll) {
  unsetenv("DISPLAY");
  expect_refusal("", ErrorCode::kInvalidArgument, HasSubstr("set DISPLAY"));
}

TEST_F(X11Open, WhatIsNoDisplayName) {
  for (const char* name : {"0", "screen", ":", ":x", ":1.y", "host"}) {
    expect_refusal(name, ErrorCode::kInvalidArgument, AllOf(HasSubstr(name), HasSubstr("look like :0")));
  }
}

TEST_F(X11Open, DisplayOfAnotherMachine) {
  expect_refusal("localhost:10.0", ErrorCode::kUnavailable,
                 AllOf(HasSubstr("localhost:10.0"), HasSubstr("memory cannot be shared")));
}

TEST_F(X11Open, NoServer) {
  expect_refusal(kFreeDisplay, ErrorCode::kUnavailable,
                 AllOf(HasSubstr("no X server answers at " + kFreeDisplay), HasSubstr(kFreePath),
                       HasSubstr("No such file")));
}

TEST_F(X11Open, SocketThatAServerLeft) {
  sockaddr_un address{AF_UNIX, {}};
  std::strcpy(address.sun_path, kFreePath.c_str());
  std::filesystem::create_directories("/tmp/.X11-unix");
  {
    const proto::UniqueFd left(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  expect_refusal(kFreeDisplay, ErrorCode::kUnavailable, HasSubstr("refused"));
  std::filesystem::remove(kFreePath);
}

TEST_F(X11Open, ServerThatWantsAuthority) {
  const Xvfb server({.require_cookie = true});
  setenv("XAUTHORITY", "/nonexistent/authority", 1);
  expect_refusal(server.display(), ErrorCode::kPermissionDenied,
                 AllOf(HasSubstr(server.display()), HasSubstr("Authorization required"),
                       HasSubstr("XAUTHORITY"), HasSubstr("/nonexistent/authority")));
  setenv("XAUTHORITY", server.authority_file().c_str(), 1);
  EXPECT_TRUE(open_x11_source({.display = server.display()}));
}

TEST_F(X11Open, ScreenThatTheServerLacks) {
  const Xvfb server;
  EXPECT_TRUE(open_x11_source({.display = server.display() + ".0"}));
  expect_refusal(server.display() + ".3", ErrorCode::kInvalidArgument, HasSubstr("no screen 3"));
}

TEST_F(X11Open, ServerThatIsReachedOverTcp) {
  const Xvfb server({.arguments = {"-ac"}, .tcp_only = true});
  expect_refusal(server.display(), ErrorCode::kUnavailable, HasSubstr("reached over TCP"));
}

TEST_F(X11Open, ServerThatOurDescriptorsDoNotReach) {
  const Xvfb server;
  const X11Proxy proxy(server.display());
  auto source = open_x11_source({.display = proxy.display()});
  ASSERT_TRUE(source) << source.error().text();
  const auto geometry = (*source)->geometry();
  ASSERT_TRUE(geometry);
  const auto pool = HostPool::create(*geometry, 3);
  ASSERT_TRUE(pool);
  const auto bound = (*source)->bind(*geometry, (*pool)->surfaces());
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(bound.error().text(),
              AllOf(HasSubstr("memory cannot be shared"), HasSubstr("forwarded or proxied")));
}

TEST_F(X11Open, ExtensionsThatTheServerLacksAreNamed) {
  for (const char* extension : {"MIT-SHM", "DAMAGE", "XFIXES"}) {
    const Xvfb server({.arguments = {"-extension", extension}});
    expect_refusal(
        server.display(), ErrorCode::kUnavailable,
        AllOf(HasSubstr(server.display()), HasSubstr(std::string("lacks the extension ") + extension)));
  }
}

TEST_F(X11Open, RandrIsNotNeeded) {
  const Xvfb server({.arguments = {"-extension", "RANDR"}});
  EXPECT_TRUE(open_x11_source({.display = server.display()}));
}

TEST_F(X11Open, DepthThatHasNoFormatIsRefusedAndNotMislabelled) {
  const Xvfb server({.screen = "640x480x8"});
  expect_refusal(server.display(), ErrorCode::kUnavailable,
                 AllOf(HasSubstr("depth 8"), HasSubstr("24, 30 or 16")));
}

}  // namespace
}  // namespace framering::daemon
