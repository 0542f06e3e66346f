// What Session does for a client that looks at the desktop, and wants to be told of changes.
#include <utility>

#include "daemon/session.h"

namespace framering::daemon {

std::optional<Session::Answer> Session::find_desktop(uint32_t request_id) {
  host_.find_desktop(*this, [self = weak_from_this(), request_id](proto::Body desktop) {
    const auto session = self.lock();
    if (!session || !session->socket_.is_open()) return;
    session->arm_watch();
    session->answer_later(request_id, Answer{std::move(desktop)});
  });
  return std::nullopt;
}

// A later pipe takes the place of the one before, which its reader sees to hang up.
Session::Answer Session::watch() {
  auto pipe = WakePipe::create();
  if (!pipe) return Answer{pipe.error()};
  auto reader = pipe->export_reader();
  if (!reader) return Answer{reader.error()};
  watch_pipe_ = *std::move(pipe);
  disarm_watch();
  Answer answer{proto::WatchReply{}};
  answer.fds.push_back(*std::move(reader));
  return answer;
}

void Session::arm_watch() {
  if (!watch_pipe_ || std::exchange(armed_, true)) return;
  host_.count_watching(1);
}

void Session::disarm_watch() {
  if (std::exchange(armed_, false)) host_.count_watching(-1);
}

void Session::tell_change() {
  if (!armed_) return;
  watch_pipe_.ring();
  disarm_watch();
}

}  // namespace framering::daemon
