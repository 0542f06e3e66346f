// A client that misbehaves cannot fill the log.
#include "daemon/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>
#include <string>
#include <vector>

namespace framering::daemon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;

class LogLimitTest : public ::testing::Test {
 protected:
  LogLimitTest() : before_(spdlog::default_logger()) {
    auto logger =
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogLimitTest() override { spdlog::set_default_logger(before_); }

  // What was written since it was last asked.
  std::vector<std::string> lines() {
    std::vector<std::string> lines;
    std::istringstream in(out_.str());
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    out_.str({});
    return lines;
  }

  std::ostringstream out_;
  const std::shared_ptr<spdlog::logger> before_;
  LogLimit limit_;
};

TEST_F(LogLimitTest, LinesBelowTheRateAreWrittenAsTheyAre) {
  for (uint64_t i = 0; i < 5; ++i) limit_.warn("line " + std::to_string(i), kSecond);
  EXPECT_THAT(lines(), ::testing::ElementsAre("warning line 0", "warning line 1", "warning line 2",
                                              "warning line 3", "warning line 4"));
}

TEST_F(LogLimitTest, AFloodIsTenLinesASecond) {
  for (uint64_t ms = 0; ms < 5000; ++ms) {
    for (int i = 0; i < 10; ++i) limit_.warn("flood", kSecond + ms * 1'000'000);
  }
  EXPECT_EQ(lines().size(), 5 * LogLimit::kLinesPerSecond);
}

TEST_F(LogLimitTest, TheNextLineCountsWhatWasLeftOut) {
  for (int i = 0; i < 1010; ++i) limit_.warn("flood", kSecond);
  lines();
  limit_.warn("later", 9 * kSecond);
  limit_.warn("and later", 9 * kSecond);
  const auto written = lines();
  ASSERT_EQ(written.size(), 2u);
  EXPECT_THAT(written[0], AllOf(HasSubstr("later"), HasSubstr("1000")));
  EXPECT_EQ(written[1], "warning and later");
}

}  // namespace
}  // namespace framering::daemon
