#include "tests/support/daemon_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "proto/channel.h"

namespace framering::testing {

using namespace std::chrono_literals;

DaemonProcess::DaemonProcess(const std::vector<std::string>& arguments, const std::string& configuration) {
  char folder[] = "/tmp/framering-test-XXXXXX";
  if (!mkdtemp(folder)) std::abort();
  chmod(folder, 0755);  // for clients of another uid
  folder_ = folder;
  socket_ = folder_ + "/socket";
  std::vector<std::string> words{FRAMERINGD, "--socket", socket_, "--log-level", "warn"};
  // Host memory, also where there is a GPU, unless the test is about that.
  const auto says = [&](const char* option) {
    return std::ranges::find(arguments, option) != arguments.end();
  };
  if (!says("--memory") && !says("--config") && configuration.empty()) {
    words.insert(words.end(), {"--memory", "host"});
  }
  words.insert(words.end(), arguments.begin(), arguments.end());
  if (!configuration.empty()) {
    std::ofstream(folder_ + "/configuration.toml") << configuration;
    words.insert(words.end(), {"--config", folder_ + "/configuration.toml"});
  }
  words_ = std::move(words);
  start();
}

void DaemonProcess::start() {
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    std::vector<char*> argv;
    for (std::string& word : words_) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    std::perror(FRAMERINGD);
    _exit(127);
  }
  for (const auto end = std::chrono::steady_clock::now() + 20s; !proto::connect_socket(socket_);) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_ || std::chrono::steady_clock::now() > end) {
      std::fprintf(stderr, "frameringd did not start\n");
      std::abort();
    }
    std::this_thread::sleep_for(10ms);
  }
}

int DaemonProcess::end(int signal) {
  if (pid_ < 0) return -1;
  kill(pid_, signal);
  for (const auto end = std::chrono::steady_clock::now() + 5s; std::chrono::steady_clock::now() < end;) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return status;
    }
    std::this_thread::sleep_for(5ms);
  }
  return -1;
}

DaemonProcess::~DaemonProcess() {
  if (pid_ >= 0 && end(SIGTERM) == -1) end(SIGKILL);
  std::filesystem::remove_all(folder_);
}

}  // namespace framering::testing
