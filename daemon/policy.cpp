#include "daemon/policy.h"

#include <algorithm>

namespace framering::daemon {

using proto::MemoryKind;

namespace {

std::string who(const Subject& subject) {
  return "user " + std::to_string(subject.uid);
}

bool is_for(const PolicyRule& rule, const Subject& subject) {
  const auto has = [](const std::vector<uint32_t>& ids, uint32_t id) {
    return std::ranges::find(ids, id) != ids.end();
  };
  if (rule.uids && !has(*rule.uids, subject.uid)) return false;
  if (rule.gids && !std::ranges::any_of(subject.gids, [&](uint32_t gid) { return has(*rule.gids, gid); })) {
    return false;
  }
  return rule.exe.empty() || matches_pattern(rule.exe, subject.exe);
}

template <class Range, class Text>
std::string listed(const Range& values, Text&& text) {
  std::string list;
  for (const auto& value : values) list += (list.empty() ? "" : ", ") + std::string(text(value));
  return list.empty() ? "nothing" : list;
}

}  // namespace

// Greedy, with one step back to the last star: linear for the patterns of a configuration.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

const PolicyRule* Policy::rule_for(const Subject& subject) const {
  const auto rule = std::ranges::find_if(rules_, [&](const PolicyRule& r) { return is_for(r, subject); });
  return rule == rules_.end() ? nullptr : &*rule;
}

Verdict Policy::may_hand_in_display(const Subject& subject) const {
  Verdict attach = may_attach(subject);
  if (!attach.allowed || is_own(subject)) return attach;
  const PolicyRule& rule = *rule_for(subject);
  if (rule.display) return {true, rule.name + " lets " + who(subject) + " hand in a desktop"};
  return {false, rule.name + " does not let " + who(subject) + " hand in a desktop"};
}

QuotaLimits Policy::limits_of(const Subject& subject, const QuotaLimits& others) const {
  const PolicyRule* rule = is_own(subject) ? nullptr : rule_for(subject);
  return rule ? changed(others, rule->quota) : others;
}

Verdict Policy::may_attach(const Subject& subject) const {
  if (is_own(subject)) return {true, who(subject) + " may do everything: root or the daemon's own user"};
  const PolicyRule* rule = rule_for(subject);
  if (!rule) return {false, "no rule is for " + who(subject)};
  if (rule->sources.empty()) return {false, rule->name + " denies " + who(subject) + " all sources"};
  return {true, rule->name + " is for " + who(subject)};
}

Verdict Policy::may_open(const Subject& subject, std::string_view source,
                         std::optional<MemoryKind> memory) const {
  Verdict attach = may_attach(subject);
  if (!attach.allowed || is_own(subject)) return attach;
  const PolicyRule& rule = *rule_for(subject);
  const auto named = [](const std::string& pattern) { return pattern; };
  if (!std::ranges::any_of(rule.sources,
                           [&](const auto& pattern) { return matches_pattern(pattern, source); })) {
    return {false, rule.name + " allows " + who(subject) + " " + listed(rule.sources, named) + ", not " +
                       std::string(source)};
  }
  if (memory && std::ranges::find(rule.memory, *memory) == rule.memory.end()) {
    return {false, rule.name + " allows " + who(subject) + " " + listed(rule.memory, proto::memory_name) +
                       " memory, not " + std::string(proto::memory_name(*memory))};
  }
  return {true, rule.name + " allows " + who(subject) + " " + std::string(source)};
}

}  // namespace framering::daemon
