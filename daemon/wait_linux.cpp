#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

#include <array>

#include "daemon/frame.h"
#include "daemon/wait.h"

namespace framering::daemon {

void wait_for_fds(std::initializer_list<int> readable, uint64_t deadline_ns, int hung_up) {
  std::array<pollfd, kMostFds + 1> fds{};
  size_t count = 0;
  for (const int fd : readable) fds.at(count++) = {fd, POLLIN, 0};
  fds.at(count++) = {hung_up, 0, 0};
  timespec timeout{};
  if (deadline_ns != kNever) {
    const uint64_t now = now_ns();
    const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    timeout.tv_sec = static_cast<time_t>(left / 1'000'000'000);
    timeout.tv_nsec = static_cast<long>(left % 1'000'000'000);
  }
  ppoll(fds.data(), count, deadline_ns == kNever ? nullptr : &timeout, nullptr);
}

bool has_hung_up(int fd) {
  pollfd state{fd, 0, 0};
  return poll(&state, 1, 0) > 0;
}

void tighten_timer_slack() {
  prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
}

}  // namespace framering::daemon
