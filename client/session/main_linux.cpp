// framering-session: hands the desktop of this session to a frameringd of another user, for as long as both
// are there.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "client/session/control.h"
#include "client/session/x11_access.h"

namespace framering::session {
namespace {

using proto::Error;
using proto::ErrorCode;
using proto::UniqueFd;
using std::chrono::milliseconds;

enum ExitCode { kEnded = 0, kFailed = 1, kUsage = 2, kNoDisplay = 3 };

constexpr milliseconds kFirstRetry{500};
constexpr milliseconds kLastRetry{15'000};

constexpr const char* kFooter =
    R"(The daemon captures it as the source screen, where its configuration says display = "session" and a
[[policy]] with display = true is for this user. It goes on as long as this program and the X server run; where the
daemon ends, its successor is given the desktop anew.

Exit codes: 0 the session has ended, or a signal came, 1 the daemon does not want this desktop, 2 wrong command
line, 3 no X server.)";

void say(const std::string& text) {
  std::fprintf(stderr, "framering-session: %s\n", text.c_str());
}

int fail(const Error& error, ExitCode code) {
  say(error.message);
  if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", error.hint.c_str());
  return code;
}

UniqueFd block_signals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  return UniqueFd(signalfd(-1, &ending, SFD_CLOEXEC));
}

// Whether a signal asks to end, now or until one of these hangs up or the time is over (-1: never).
bool must_end(int signals, int x_server, int daemon, int timeout_ms) {
  pollfd fds[] = {{signals, POLLIN, 0}, {x_server, 0, 0}, {daemon, POLLRDHUP, 0}};
  while (poll(fds, std::size(fds), timeout_ms) < 0 && errno == EINTR) {
  }
  return fds[0].revents != 0;
}

bool is_final(ErrorCode code) {
  return code == ErrorCode::kPermissionDenied || code == ErrorCode::kInvalidArgument ||
         code == ErrorCode::kVersion;
}

int run(const std::string& socket_path, const std::string& display) {
  const UniqueFd signals = block_signals();
  if (!signals)
    return fail(proto::errno_error(ErrorCode::kOutOfMemory, "cannot wait for signals", errno), kFailed);
  milliseconds retry = kFirstRetry;
  std::string told;
  for (bool is_first = true;; is_first = false) {
    const auto access = open_x11(display);
    if (!access) {
      if (is_first) return fail(access.error(), kNoDisplay);
      say("the X server has gone: the session is over");
      return kEnded;
    }
    const auto daemon = hand_in(socket_path, *access);
    if (daemon) {
      say("handed in " + access->name);
      told.clear();
      if (must_end(signals.get(), access->socket.get(), daemon->get(), -1)) return kEnded;
      // Its X server may go on, and would show what comes after it.
      if (const auto said = farewell(daemon->get()); said && said->code == ErrorCode::kUnavailable) {
        return fail(*said, kEnded);
      }
      say("frameringd or the X server hung up");
      retry = kFirstRetry;
    } else {
      if (is_final(daemon.error().code)) return fail(daemon.error(), kFailed);
      if (std::exchange(told, daemon.error().message) != daemon.error().message) {
        say(daemon.error().message + "; trying again");
      }
    }
    if (must_end(signals.get(), access->socket.get(), -1, static_cast<int>(retry.count()))) return kEnded;
    retry = std::min(2 * retry, kLastRetry);
  }
}

int run_command(int argc, char** argv) {
  CLI::App app{"Hands the desktop of this session to the frameringd of the machine."};
  app.footer(kFooter);
  app.set_version_flag("--version", "framering-session " FRAMERING_VERSION);
  std::string socket = "/run/framering/socket", display;
  app.add_option("--socket", socket, "The daemon's socket [/run/framering/socket]")->type_name("PATH");
  app.add_option("--display", display, "The X display [$DISPLAY]")->type_name(":N");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    say(error.what());
    std::fprintf(stderr, "  see framering-session --help\n");
    return kUsage;
  }
  return run(socket, display);
}

}  // namespace
}  // namespace framering::session

int main(int argc, char** argv) {
  try {
    return framering::session::run_command(argc, argv);
  } catch (const std::exception& error) {
    framering::session::say(error.what());
    return framering::session::kFailed;
  }
}
