// The texts about the configuration say what the program does: the example that is installed, the man page,
// the README.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "daemon/config.h"
#include "tests/support/temp_folder.h"

namespace framering::daemon {
namespace {

using ::testing::UnorderedElementsAreArray;

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(SOURCE_DIR "/") + path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// "slots = 6", with or without the sign of a comment at once before it.
const std::regex kSetting("^#?([a-z_]+) = .*");
const std::regex kTable(R"(^#?\[\[?([a-z_]+)\]\]?$)");

std::vector<std::string> keys_in(const std::string& text) {
  std::vector<std::string> keys;
  std::istringstream lines(text);
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kTable)) table = match[1].str() + ".";
    if (std::regex_match(line, match, kSetting)) keys.push_back(table + match[1].str());
  }
  return keys;
}

std::string uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    const bool is_setting = std::regex_match(line, kSetting) || std::regex_match(line, kTable);
    all += (is_setting && line[0] == '#' ? line.substr(1) : line) + "\n";
  }
  return all;
}

class ConfigTextTest : public ::testing::Test {
 protected:
  Config config_of(const std::string& text) const {
    const std::string path = folder_.file("framering.toml");
    std::ofstream(path) << text;
    const auto config = read_config_file(path);
    EXPECT_TRUE(config) << config.error().text();
    return config ? *config : Config{};
  }

  testing::TempFolder folder_;
  const std::string example_ = text_of("systemd/framering.toml");
};

TEST_F(ConfigTextTest, TheExampleShowsEveryKeyOnce) {
  EXPECT_THAT(keys_in(example_), UnorderedElementsAreArray(config_keys()));
}

TEST_F(ConfigTextTest, TheExampleAsItIsInstalledChangesNothing) {
  EXPECT_EQ(config_of(example_), Config{});
}

TEST_F(ConfigTextTest, WhatTheExampleShowsIsValidAndTheDefaultWhereThereIsOne) {
  Config config = config_of(uncommented(example_));
  EXPECT_EQ(config.socket, "/run/framering/socket");
  EXPECT_EQ(config.display, ":0");
  EXPECT_EQ(config.allow_uids, std::vector<uint32_t>{1000});
  EXPECT_EQ(config.max_fps, 60);
  EXPECT_EQ(config.exit_when_idle_s, 60u);
  EXPECT_EQ(config.sources.size(), 2u);
  EXPECT_EQ(config.stream_memory.size(), 1u);
  EXPECT_EQ(config.metrics_socket, "/run/framering/metrics");
  EXPECT_EQ(config.metrics_port, 9639);
  ASSERT_EQ(config.rules.size(), 1u);
  EXPECT_EQ(config.rules[0].sources, (std::vector<std::string>{"window:*", "test:*"}));
  config.rules.clear();
  config.socket = config.display = config.metrics_socket = "";
  config.metrics_port = 0;
  config.allow_uids.clear();
  config.max_fps.reset();
  config.exit_when_idle_s.reset();
  config.sources.pop_back();
  config.stream_memory.clear();
  EXPECT_EQ(config, Config{});
}

TEST_F(ConfigTextTest, TheManPageAndTheReadmeExplainEveryKey) {
  const std::string page = text_of("packaging/man/framering.toml.5.in");
  const std::string readme = text_of("daemon/README.md");
  for (const std::string& key : config_keys()) {
    const std::string name = key.substr(key.find('.') + 1);
    const std::string in_readme = key.starts_with("stream.") ? "`stream`" : "`" + name + "`";
    EXPECT_NE(page.find(".TP\n.B " + name + "\n"), std::string::npos) << key;
    EXPECT_NE(readme.find("| " + in_readme + " |"), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace framering::daemon
