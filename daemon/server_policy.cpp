// What Server does about the policy.
#include <memory>
#include <vector>

#include "daemon/frame.h"
#include "daemon/server.h"
#include "daemon/source_name.h"
#include "daemon/subject.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;

namespace {

std::vector<proto::MemoryKind> any_memory() {
  using proto::MemoryKind;
  return {MemoryKind::kHost, MemoryKind::kCuda, MemoryKind::kCudaIpc};
}

}  // namespace

// What the configuration says in rules comes first, so that it can also deny.
std::vector<PolicyRule> Server::rules_of(const Options& options) {
  std::vector<PolicyRule> rules = options.rules;
  if (!options.allow_uids.empty()) {
    rules.push_back(
        {.uids = options.allow_uids, .sources = {"*"}, .memory = any_memory(), .name = "allow_uids"});
  }
  if (options.group) {
    rules.push_back({.gids = {{*options.group}},
                     .sources = {"*"},
                     .memory = any_memory(),
                     .name = "the group framering"});
  }
  return rules;
}

Policy Server::policy_now() const {
  std::vector<PolicyRule> rules = rules_;
  if (desktop_owner_) {
    rules.push_back({.uids = {{*desktop_owner_}},
                     .sources = {"*"},
                     .memory = any_memory(),
                     .name = "the desktop's own user"});
  }
  return Policy(geteuid(), std::move(rules));
}

bool Server::may_attach(int socket) const {
  const auto credentials = proto::peer_credentials(socket);
  return credentials && policy_.may_attach(subject_of(*credentials, socket)).allowed;
}

proto::Status Server::may_open(const Session& session, const std::string& source,
                               std::optional<proto::MemoryKind> memory) {
  const auto name = SourceName::parse(source);
  if (!name) return name.error();
  const Verdict verdict = policy_.may_open(session.subject(), name->text(), memory);
  // One line: when it is refused, or when all is known.
  if (memory || !verdict.allowed) {
    access_log_.write({verdict.allowed, name->text(), verdict.reason}, session.credentials(),
                      session.subject(), now_ns());
  }
  if (verdict.allowed) return proto::Ok{};
  return Error{ErrorCode::kPermissionDenied, verdict.reason, "see [[policy]] in framering.toml"};
}

proto::Body Server::explain(const Session& session, const proto::PolicyRequest& request) const {
  const bool is_self = request.uid == session.credentials().uid;
  if (!is_self && !policy_.is_own(session.subject())) {
    return Error{ErrorCode::kPermissionDenied, "what others may is for root to ask", "ask without --uid"};
  }
  const auto name = SourceName::parse(request.source);
  if (!name) return name.error();
  const Subject subject = is_self ? session.subject() : subject_of_user(request.uid);
  const Verdict verdict = policy_.may_open(subject, name->text(), std::nullopt);
  return proto::PolicyReply{verdict.allowed, verdict.reason, quota_.usage(request.uid, limits_of(subject))};
}

proto::Body Server::reload(const Session& session) {
  if (!policy_.is_own(session.subject())) {
    return Error{ErrorCode::kPermissionDenied, "only root and the daemon's own user may reload", {}};
  }
  if (const proto::Status reloaded = reload_(); !reloaded) return reloaded.error();
  return proto::ReloadReply{};
}

void Server::set_policy(const Options& options) {
  rules_ = rules_of(options);
  apply_policy();
}

void Server::apply_policy() {
  policy_ = policy_now();
  tell_change_soon();                              // who may see what of the desktop
  std::vector<std::shared_ptr<Session>> sessions;  // dropping one changes the map
  for (const auto& [key, session] : sessions_) sessions.push_back(session);
  for (const auto& session : sessions) {
    session->revoke([&](const std::string& source, proto::MemoryKind memory) {
      return policy_.may_open(session->subject(), source, memory).allowed;
    });
    const bool hands_in = session.get() == desktop_session_;
    const Verdict verdict =
        hands_in ? policy_.may_hand_in_display(session->subject()) : policy_.may_attach(session->subject());
    if (!verdict.allowed) {
      session->drop({ErrorCode::kPermissionDenied, "the policy has changed: " + verdict.reason, {}});
    }
  }
}

}  // namespace framering::daemon
