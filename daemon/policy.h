// Who may attach, to which sources, in which memory, and how much each user may take. The first rule that is
// for a peer decides; who has no rule may not attach. Values only: any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/quota.h"
#include "proto/message.h"
#include "proto/result.h"

namespace framering::daemon {

// Who connects. The executable is what /proc says of a process that may have replaced itself since: a hint,
// good for telling programs of one user apart, no protection against that user.
struct Subject {
  uint32_t uid = 0;
  std::vector<uint32_t> gids{};  // the first and the supplementary ones
  std::string exe{};             // empty: unknown
};

struct PolicyRule {
  // Whom it is for: all of those that are given must hold; of one list, any.
  std::optional<std::vector<uint32_t>> uids{};
  std::optional<std::vector<uint32_t>> gids{};
  std::string exe{};  // a pattern
  // What they may. Patterns: * stands for any text.
  std::vector<std::string> sources{};
  std::vector<proto::MemoryKind> memory{proto::MemoryKind::kHost};
  bool display = false;              // they may hand in the desktop of their session
  std::vector<QuotaChange> quota{};  // where they may take more, or less, than others
  std::string name{};                // how a verdict calls it: "allow_uids", "rule 2 (line 14)"

  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

struct Verdict {
  bool allowed = false;
  std::string reason;  // a sentence that names the rule
};

class Policy {
 public:
  // Nobody but root and the daemon's own user, who may always do everything.
  explicit Policy(uint32_t own_uid) : own_uid_(own_uid) {}
  Policy(uint32_t own_uid, std::vector<PolicyRule> rules) : own_uid_(own_uid), rules_(std::move(rules)) {}

  // Whether there is anything for this subject at all.
  Verdict may_attach(const Subject& subject) const;
  // Without a kind of memory: in some memory.
  Verdict may_open(const Subject& subject, std::string_view source,
                   std::optional<proto::MemoryKind> memory) const;
  // Whether it may hand in the desktop of its session.
  Verdict may_hand_in_display(const Subject& subject) const;
  // What is for this subject of what others may take; root and the daemon's own user are as others here.
  QuotaLimits limits_of(const Subject& subject, const QuotaLimits& others) const;
  bool is_own(const Subject& subject) const { return subject.uid == 0 || subject.uid == own_uid_; }

 private:
  const PolicyRule* rule_for(const Subject& subject) const;

  uint32_t own_uid_;
  std::vector<PolicyRule> rules_;
};

// Whether the text is what the pattern says, * being any text, also none.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace framering::daemon
