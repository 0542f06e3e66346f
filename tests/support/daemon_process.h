// A real frameringd of the test's own, on a socket in a private folder.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace framering::testing {

class DaemonProcess {
 public:
  // Starts FRAMERINGD with these arguments, in host memory if they say nothing else, and this text as its
  // configuration file, and waits until its socket answers; aborts the test program if it does not.
  explicit DaemonProcess(const std::vector<std::string>& arguments, const std::string& configuration = {});
  ~DaemonProcess();  // SIGTERM, then SIGKILL
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  const std::string& socket() const { return socket_; }
  pid_t pid() const { return pid_; }
  // After its end: another one, on the same socket. Aborts the test program if it does not answer.
  void start();
  // Sends the signal and waits for the end, at most 5 s; the exit status as waitpid gives it, -1 if it did
  // not end.
  int end(int signal);

 private:
  std::string folder_;
  std::vector<std::string> words_;
  std::string socket_;
  pid_t pid_ = -1;
};

}  // namespace framering::testing
