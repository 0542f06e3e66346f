#include "tests/support/xvfb.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "proto/unique_fd.h"

namespace framering::testing {

namespace {

using proto::UniqueFd;

constexpr int kStartTimeoutMs = 20'000;
constexpr int kStopTimeoutMs = 5'000;

// Xauthority's format: big-endian lengths before each field; family 65535 stands for any host.
void write_cookie(const std::filesystem::path& file) {
  std::ofstream out(file, std::ios::binary);
  const auto field = [&out](const std::string& text) {
    out.put(0).put(static_cast<char>(text.size())) << text;
  };
  out.put('\xff').put('\xff');
  field("");  // address
  field("");  // display number
  field("MIT-MAGIC-COOKIE-1");
  field("0123456789abcdef");
}

bool ends_within(pid_t pid, int timeout_ms) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd fd{pidfd.get(), POLLIN, 0};
  return poll(&fd, 1, timeout_ms) == 1;
}

// A line, without its end; empty if none came in time.
std::string read_line(int fd, int timeout_ms) {
  std::string line;
  char c = 0;
  pollfd ready{fd, POLLIN, 0};
  while (poll(&ready, 1, timeout_ms) == 1 && read(fd, &c, 1) == 1) {
    if (c == '\n') return line;
    line += c;
  }
  return {};
}

std::string socket_path(int number) {
  return "/tmp/.X11-unix/X" + std::to_string(number);
}

// Binds the abstract name that every server takes before its number is its own, and does not listen: as long
// as this lives other servers pass the number over. Invalid if one has it.
UniqueFd take_number(int number) {
  const std::string path = socket_path(number);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, path.data(), path.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return UniqueFd();
  return socket;
}

}  // namespace

Xvfb::Xvfb(const XvfbOptions& options) {
  char name[] = "/tmp/framering-xvfb-XXXXXX";
  folder_ = mkdtemp(name);
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe for Xvfb");
  const UniqueFd number(pipe_ends[0]);
  UniqueFd number_writer(pipe_ends[1]);

  std::vector<std::string> words{"Xvfb",     "-displayfd", std::to_string(number_writer.get()),
                                 "-screen",  "0",          options.screen,
                                 "-noreset", "-nolisten",  "tcp"};
  if (!options.display.empty()) words.insert(words.begin() + 1, options.display);
  if (options.tcp_only) {
    // Left to itself the server would take the number of another that is reached by a local socket alone.
    int free_number = 0;
    do {
      number_ = take_number(++free_number);
    } while (!number_ || std::filesystem::exists(socket_path(free_number)));
    words.insert(words.begin() + 1, ":" + std::to_string(free_number));
    words.insert(words.end(), {"-nolisten", "unix", "-nolisten", "local", "-listen", "tcp"});
  }
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  if (options.require_cookie) {
    write_cookie(authority_file());
    words.insert(words.end(), {"-auth", authority_file()});
  }
  child_ = std::make_unique<Child>([&] {
    std::freopen((folder_ / "log").c_str(), "w", stderr);
    fcntl(number_writer.get(), F_SETFD, 0);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    return 127;
  });
  number_writer.reset();
  const std::string display_number = read_line(number.get(), kStartTimeoutMs);
  if (display_number.empty()) {
    std::ifstream log(folder_ / "log");
    const std::string text{std::istreambuf_iterator<char>(log), {}};
    child_.reset();
    std::filesystem::remove_all(folder_);
    throw std::runtime_error("Xvfb did not start: " + text);
  }
  display_ = ":" + display_number;
}

Xvfb::~Xvfb() {
  if (child_) {
    child_->kill(SIGCONT);
    child_->kill(SIGTERM);
    if (!ends_within(child_->pid(), kStopTimeoutMs)) kill();
  }
  child_.reset();
  std::filesystem::remove_all(folder_);
}

void Xvfb::stop_responding() const {
  child_->kill(SIGSTOP);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(child_->pid()), &info, WSTOPPED);
}

void Xvfb::kill() {
  child_.reset();
  const int number = std::stoi(display_.substr(1));
  if (!number_) number_ = take_number(number);
  // A server that is killed leaves its socket; one that has taken the number meanwhile has made it anew.
  if (number_) std::filesystem::remove(socket_path(number));
}

}  // namespace framering::testing
