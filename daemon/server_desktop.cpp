// What Server does about the desktop that a session hands in.
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "daemon/frame.h"
#include "daemon/server.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

proto::Body Server::take_display(const Session& session, proto::DisplayRequest request,
                                 proto::UniqueFd socket) {
  if (handed_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "this daemon captures the display that its configuration names",
                 std::string("for the desktop of a session, set display = \"") + kSessionDisplay + "\""};
  }
  const Verdict verdict = policy_.may_hand_in_display(session.subject());
  access_log_.write({verdict.allowed, "display " + request.name, verdict.reason}, session.credentials(),
                    session.subject(), now_ns());
  if (!verdict.allowed) {
    return Error{ErrorCode::kPermissionDenied, verdict.reason, "see display in [[policy]] of framering.toml"};
  }
  // Never another one's in its place: who reads this desktop must not find himself on that one.
  if (desktop_session_ != nullptr) {
    return Error{ErrorCode::kUnavailable,
                 "the desktop of user " + std::to_string(desktop_session_->credentials().uid) +
                     " is handed in already",
                 "it is given up when that session ends"};
  }
  const auto taken = handed_->put(
      {request.name, std::move(socket), std::move(request.auth_name), std::move(request.auth_data)});
  if (!taken) return taken.error();
  desktop_session_ = &session;
  session_state_ = {};
  spdlog::info("captures the desktop {} of user {}", request.name, session.credentials().uid);
  set_desktop_owner(session.credentials().uid);
  if (desktop_changed_) desktop_changed_();  // before the pumps look again: it may be hidden
  for (const auto& stream : streams_.streams()) stream->retry();
  return proto::DisplayReply{};
}

void Server::withdraw_desktop() {
  spdlog::info("the desktop of user {} is given up", desktop_session_->credentials().uid);
  desktop_session_ = nullptr;
  session_state_ = {};
  handed_->withdraw();
  for (const auto& stream : streams_.streams()) tell_desktop_state(*stream);
  set_desktop_owner(std::nullopt);
  if (desktop_changed_) desktop_changed_();
}

std::optional<uint32_t> Server::desktop_pid() const {
  if (desktop_session_ == nullptr) return std::nullopt;
  return desktop_session_->credentials().pid;
}

void Server::set_session(const SessionState& state) {
  const bool has_ended = session_state_.is_known && !state.is_known && !state.is_awaited;
  session_state_ = state;
  if (has_ended && desktop_session_ != nullptr) {
    return sessions_.at(desktop_session_)->drop({ErrorCode::kUnavailable, "the session has ended", {}});
  }
  // Until somebody logs in there, the display is nobody's.
  if (has_ended) session_state_.active = false;
  if (has_ended) {
    spdlog::info("the desktop's session has ended: nothing is captured until there is another");
  } else if (state.is_known) {
    spdlog::info("the desktop's session is {}{}", state.active ? "in the foreground" : "in the background",
                 state.locked ? ", locked" : "");
  }
  for (const auto& stream : streams_.streams()) {
    tell_desktop_state(*stream);
    if (has_ended && stream->options().of_display) stream->renew();
  }
  if (desktop_session_ == nullptr) {
    set_desktop_owner(state.is_known ? std::optional(state.uid) : std::nullopt);
  }
}

void Server::tell_desktop_state(Stream& stream) const {
  if (!stream.options().of_display) return;
  const uint32_t locked = session_state_.locked ? proto::kDesktopLocked : 0;
  const bool is_hidden = session_state_.is_awaited || !session_state_.active;
  const uint32_t away = is_hidden ? proto::kDesktopAway : 0;
  stream.set_desktop_state(proto::kDesktopLocked | proto::kDesktopAway, locked | away);
}

void Server::set_desktop_owner(std::optional<uint32_t> uid) {
  if (std::exchange(desktop_owner_, uid) != uid) apply_policy();
}

}  // namespace framering::daemon
