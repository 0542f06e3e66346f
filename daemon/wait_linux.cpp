#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

#include "daemon/frame.h"
#include "daemon/wait.h"

namespace framering::daemon {

void wait_for_fds(int wake_fd, int source_fd, bool want_input, uint64_t deadline_ns) {
  pollfd fds[] = {{wake_fd, POLLIN, 0}, {source_fd, static_cast<short>(want_input ? POLLIN : 0), 0}};
  timespec timeout{};
  if (deadline_ns != kNever) {
    const uint64_t now = now_ns();
    const uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    timeout.tv_sec = static_cast<time_t>(left / 1'000'000'000);
    timeout.tv_nsec = static_cast<long>(left % 1'000'000'000);
  }
  ppoll(fds, 2, deadline_ns == kNever ? nullptr : &timeout, nullptr);
}

bool has_hung_up(int fd) {
  pollfd state{fd, 0, 0};
  return poll(&state, 1, 0) > 0;
}

void tighten_timer_slack() {
  prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
}

}  // namespace framering::daemon
