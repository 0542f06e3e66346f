#include "client/cli/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "client/cli/output.h"

namespace framering::cli {

namespace {

constexpr const char* kOwnScreen = "\033[?1049h\033[?25l";  // and no cursor
constexpr const char* kOldScreen = "\033[?25h\033[?1049l";

void on_resize(int) {}  // interrupts the wait for a key

}  // namespace

bool Terminal::is_there() {
  return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

Terminal::Terminal() {
  tcgetattr(STDIN_FILENO, &before_);
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  struct sigaction action {};
  action.sa_handler = on_resize;
  sigaction(SIGWINCH, &action, nullptr);
  std::fputs(kOwnScreen, stdout);
}

Terminal::~Terminal() {
  std::fputs(kOldScreen, stdout);
  std::fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

Terminal::Size Terminal::size() const {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {24, 80};
  return {size.ws_row, size.ws_col};
}

void Terminal::draw(const std::vector<std::string>& lines) {
  std::fputs("\033[H", stdout);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::printf("%s\033[K%s", lines[i].c_str(), i + 1 < lines.size() ? "\n" : "");
  }
  std::fputs("\033[J", stdout);
  flush_standard_output();
}

char Terminal::read_key() {
  char key = 0;
  return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

char Terminal::key(std::chrono::milliseconds patience) const {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, static_cast<int>(patience.count())) > 0 ? read_key() : '\0';
}

std::pair<char, bool> Terminal::key_or(int fd) const {
  pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};
  if (poll(fds, 2, -1) <= 0) return {'\0', false};
  return {fds[0].revents != 0 ? read_key() : '\0', fds[1].revents != 0};
}

}  // namespace framering::cli
