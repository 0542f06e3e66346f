// Who may do what.
#include "daemon/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "tests/support/seed.h"

namespace framering::daemon {
namespace {

using proto::MemoryKind;
using ::testing::HasSubstr;

constexpr uint32_t kOwn = 997;
constexpr auto kHost = MemoryKind::kHost;

TEST(PatternTest, AStarIsAnyText) {
  EXPECT_TRUE(matches_pattern("screen", "screen"));
  EXPECT_FALSE(matches_pattern("screen", "screen2"));
  EXPECT_FALSE(matches_pattern("screen", ""));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("test:*", "test:64x48@30"));
  EXPECT_FALSE(matches_pattern("test:*", "window:test:1"));
  EXPECT_TRUE(matches_pattern("*x48@*", "test:64x48@30"));
  EXPECT_TRUE(matches_pattern("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(matches_pattern("a*b*c", "aXcYb"));
}

// Against the regular expressions of the standard library.
TEST(PatternTest, MatchesAsARegularExpressionWould) {
  std::mt19937 random(testing::random_seed());
  const auto text = [&](const char* letters, size_t count) {
    std::string made;
    for (size_t i = random() % count; i > 0; --i) made += letters[random() % 3];
    return made;
  };
  for (int i = 0; i < 5'000; ++i) {
    const std::string pattern = text("ab*", 7), subject = text("abc", 9);
    const std::regex same(std::regex_replace(pattern, std::regex("\\*"), ".*"));
    EXPECT_EQ(matches_pattern(pattern, subject), std::regex_match(subject, same))
        << pattern << " " << subject;
  }
}

TEST(PolicyTest, WithoutARuleOnlyRootAndTheDaemonsUserMayAttach) {
  const Policy policy(kOwn);
  EXPECT_TRUE(policy.may_attach({.uid = 0}).allowed);
  EXPECT_TRUE(policy.may_open({.uid = kOwn}, "screen", MemoryKind::kCuda).allowed);
  EXPECT_FALSE(policy.may_attach({.uid = 1000}).allowed);
  EXPECT_THAT(policy.may_attach({.uid = 1000}).reason, HasSubstr("no rule is for user 1000"));
}

TEST(PolicyTest, TheFirstRuleThatIsForSomebodyDecides) {
  const Policy policy(kOwn,
                      {{.uids = {{1000}}, .sources = {}, .name = "rule 1"},
                       {.gids = {{50, 51}}, .sources = {"screen", "test:*"}, .name = "rule 2"},
                       {.exe = "/opt/*", .sources = {"*"}, .memory = {MemoryKind::kCuda}, .name = "rule 3"}});
  EXPECT_FALSE(policy.may_attach({.uid = 1000, .gids = {50}}).allowed) << "a rule may deny";
  EXPECT_TRUE(policy.may_open({.uid = 1001, .gids = {7, 51}}, "test:1x1@1", kHost).allowed);
  const Verdict other = policy.may_open({.uid = 1001, .gids = {50}}, "window:7", kHost);
  EXPECT_FALSE(other.allowed);
  EXPECT_EQ(other.reason, "rule 2 allows user 1001 screen, test:*, not window:7");
  EXPECT_FALSE(policy.may_open({.uid = 1001, .gids = {50}}, "screen", MemoryKind::kCuda).allowed);
  EXPECT_TRUE(policy.may_open({.uid = 5, .exe = "/opt/a"}, "window:7", MemoryKind::kCuda).allowed);
  EXPECT_FALSE(policy.may_open({.uid = 5, .exe = "/opt/a"}, "window:7", kHost).allowed);
  EXPECT_FALSE(policy.may_attach({.uid = 5, .exe = "/usr/opt/a"}).allowed);
  EXPECT_FALSE(policy.may_attach({.uid = 5}).allowed) << "an unknown program is none";
}

TEST(PolicyTest, AllThatARuleAsksForMustHold) {
  const Policy policy(kOwn,
                      {{.uids = {{1, 2}}, .gids = {{9}}, .exe = "*/agent", .sources = {"*"}, .name = "r"}});
  EXPECT_TRUE(policy.may_attach({.uid = 2, .gids = {9}, .exe = "/bin/agent"}).allowed);
  EXPECT_FALSE(policy.may_attach({.uid = 3, .gids = {9}, .exe = "/bin/agent"}).allowed);
  EXPECT_FALSE(policy.may_attach({.uid = 2, .gids = {8}, .exe = "/bin/agent"}).allowed);
  EXPECT_FALSE(policy.may_attach({.uid = 2, .gids = {9}, .exe = "/bin/other"}).allowed);
}

TEST(PolicyTest, TheRuleThatDecidesAlsoSaysHowMuch) {
  const QuotaLimits others;
  const Policy policy(
      kOwn,
      {{.uids = {{1000}}, .sources = {"*"}, .quota = {{&QuotaLimits::clients_per_uid, 3}}, .name = "r1"},
       {.sources = {"*"}, .quota = {{&QuotaLimits::bytes_per_uid, 7}}, .name = "r2"}});
  EXPECT_EQ(policy.limits_of({.uid = 1000}, others).clients_per_uid, 3u);
  EXPECT_EQ(policy.limits_of({.uid = 1000}, others).bytes_per_uid, others.bytes_per_uid);
  EXPECT_EQ(policy.limits_of({.uid = 1001}, others).bytes_per_uid, 7u);
  EXPECT_EQ(policy.limits_of({.uid = 0}, others), others) << "root is bound by no rule";
}

TEST(PolicyTest, AnEmptyListIsForNobody) {
  const Policy policy(kOwn, {{.uids = std::vector<uint32_t>{}, .sources = {"*"}, .name = "r"}});
  EXPECT_FALSE(policy.may_attach({.uid = 1}).allowed);
}

// Whatever the rules: who is in no list of a rule never gets in by it, whatever he calls his program.
TEST(PolicyTest, NobodyGetsInByARuleForOthers) {
  std::mt19937 random(testing::random_seed());
  const auto number = [&](uint32_t below) { return static_cast<uint32_t>(random() % below); };
  for (int round = 0; round < 2'000; ++round) {
    std::vector<PolicyRule> rules;
    for (uint32_t i = number(5); i > 0; --i) {
      PolicyRule rule{.uids = std::vector<uint32_t>{}, .sources = {"*"}, .name = "r"};
      for (uint32_t k = number(4); k > 0; --k) rule.uids->push_back(1000 + number(8));
      if (number(2) == 0) rule.exe = "/usr/bin/*";
      rules.push_back(rule);
    }
    const Policy policy(kOwn, rules);
    const Subject adversary{.uid = 1000 + number(8), .gids = {0, kOwn}, .exe = "/usr/bin/agent"};
    const bool is_named = std::ranges::any_of(rules, [&](const auto& rule) {
      return std::ranges::find(*rule.uids, adversary.uid) != rule.uids->end();
    });
    EXPECT_EQ(policy.may_open(adversary, "screen", kHost).allowed, is_named);
  }
}

}  // namespace
}  // namespace framering::daemon
