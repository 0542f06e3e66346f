// What a daemon needs and does not find is told at start, by the exit code and in words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "proto/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/xvfb.h"

namespace framering::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kWrongConfiguration = 2;
constexpr int kCannotStart = 3;

struct Refusal {
  int exit_code = 0;
  std::string text;  // what it wrote to standard error
};

// Runs FRAMERINGD to its end.
Refusal start(
    std::vector<std::string> arguments, const std::function<void()>& prepare = [] {}) {
  char folder[] = "/tmp/framering-test-XXXXXX";
  EXPECT_TRUE(mkdtemp(folder));
  arguments.insert(arguments.begin(), {FRAMERINGD, "--socket", folder + std::string("/socket")});
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const proto::UniqueFd output(ends[0]);
  Child daemon([&] {
    dup2(ends[1], STDERR_FILENO);
    prepare();
    std::vector<char*> words;
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    execv(words[0], words.data());
    return 127;
  });
  close(ends[1]);
  Refusal refusal;
  char part[1024];
  for (ssize_t got; (got = read(output.get(), part, sizeof part)) > 0;) {
    refusal.text.append(part, static_cast<size_t>(got));
  }
  refusal.exit_code = daemon.wait();
  std::filesystem::remove_all(folder);
  return refusal;
}

TEST(StartTest, ARingThatTheProcessMayNotMap) {
  const Refusal refusal = start({"--source", "test:4000x3000@1"}, [] {
    const rlimit limit{200 << 20, 200 << 20};
    setrlimit(RLIMIT_AS, &limit);
  });
  EXPECT_EQ(refusal.exit_code, kCannotStart) << refusal.text;
  EXPECT_THAT(refusal.text,
              AllOf(HasSubstr("6 slots of 4000x3000 take 275 MiB"), HasSubstr("use fewer slots")));
}

TEST(StartTest, ARingThatNoMachineMayHave) {
  const Refusal refusal = start({"--source", "test:32767x32767@1", "--slots", "64"});
  EXPECT_EQ(refusal.exit_code, kWrongConfiguration) << refusal.text;
  EXPECT_THAT(refusal.text, AllOf(HasSubstr("64 slots of 32767x32767"), HasSubstr("at most 65536 MiB"),
                                  HasSubstr("use fewer slots")));
}

TEST(StartTest, ADisplayThatWantsAuthority) {
  const Xvfb server({.require_cookie = true});
  const Refusal refusal =
      start({"--display", server.display()}, [] { setenv("XAUTHORITY", "/nonexistent/authority", 1); });
  EXPECT_EQ(refusal.exit_code, kCannotStart) << refusal.text;
  EXPECT_THAT(refusal.text, AllOf(HasSubstr(server.display()), HasSubstr("Authorization required"),
                                  HasSubstr("XAUTHORITY"), HasSubstr("/nonexistent/authority")));
}

TEST(StartTest, ADisplayWithoutAServer) {
  const Refusal refusal = start({"--display", ":59999"});
  EXPECT_EQ(refusal.exit_code, kCannotStart) << refusal.text;
  EXPECT_THAT(refusal.text, AllOf(HasSubstr("no X server answers at :59999"), HasSubstr("start one")));
}

TEST(StartTest, OneSourceThatCannotBeOpenedIsOneTooMany) {
  const Refusal refusal = start({"--source", "test:64x48@60", "--source", "screen", "--display", ":59999"});
  EXPECT_EQ(refusal.exit_code, kCannotStart) << refusal.text;
  EXPECT_THAT(refusal.text, HasSubstr(":59999"));
}

}  // namespace
}  // namespace framering::testing
