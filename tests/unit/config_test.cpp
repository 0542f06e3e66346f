// What frameringd understands on its command line and in its configuration file, and how it says no.
#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using proto::MemoryKind;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

using Parsed = std::variant<Config, PrintAndExit>;

class ConfigTest : public ::testing::Test {
 protected:
  static proto::Result<Parsed> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "frameringd");
    return parse_config(static_cast<int>(arguments.size()), arguments.data());
  }
  static Config config_of(const std::vector<const char*>& arguments) {
    auto parsed = parse(arguments);
    EXPECT_TRUE(parsed) << parsed.error().text();
    return parsed ? std::get<Config>(*std::move(parsed)) : Config{};
  }
  // The message of the refusal.
  static std::string refusal(const std::vector<const char*>& arguments) {
    const auto parsed = parse(arguments);
    if (parsed) return "was not refused";
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    return parsed.error().text();
  }
  Config config_in(const std::string& toml) {
    write(toml);
    return config_of({"--config", file_.c_str()});
  }
  // The message of the refusal, without the name of the file.
  std::string refusal_of_file(const std::string& toml) {
    write(toml);
    const std::string message = refusal({"--config", file_.c_str()});
    EXPECT_THAT(message, StartsWith(file_ + ":"));
    return message.substr(std::min(message.size(), file_.size()));
  }
  void write(const std::string& toml) const { std::ofstream(file_) << toml; }

  testing::TempFolder folder_;
  const std::string file_ = folder_.file("framering.toml");
};

TEST_F(ConfigTest, NothingSaidIsTheDefault) {
  const Config config = config_of({});
  EXPECT_EQ(config.socket, "");
  EXPECT_THAT(config.sources, ElementsAre("screen"));
  EXPECT_EQ(config.display, "");
  EXPECT_EQ(config.memory.kind, MemoryKind::kAuto);
  EXPECT_EQ(config.slots, 6u);
  EXPECT_EQ(config.max_fps, std::nullopt);
  EXPECT_EQ(config.lease_ms, 1000u);
  EXPECT_EQ(config.keepalive_ms, 0u);
  EXPECT_EQ(config.linger_ms, 2000u);
  EXPECT_EQ(config.exit_when_idle_s, std::nullopt);
  EXPECT_EQ(config.log_level, "info");
  EXPECT_THAT(config.allow_uids, IsEmpty());
  EXPECT_EQ(config.quota.clients, 1024u);
  EXPECT_EQ(config.quota.clients_per_uid, 512u);
  EXPECT_EQ(config.quota.streams_per_uid, 1024u);
  EXPECT_EQ(config.quota.leases_per_uid, 2048u);
  EXPECT_EQ(config.quota.sources_per_uid, 16u);
  EXPECT_EQ(config.quota.connects_per_second, 500u);
  EXPECT_EQ(config.quota.bytes_per_uid, uint64_t{4} << 30);
}

TEST_F(ConfigTest, EveryOptionOfTheCommandLineCounts) {
  const Config config =
      config_of({"--socket",         "/run/x", "--source",       "screen",   "--source",    "test:64x48@30",
                 "--display",        ":7",     "--memory",       "cuda-ipc", "--slots",     "9",
                 "--max-fps",        "29.97",  "--lease-ms",     "250",      "--allow-uid", "1000",
                 "--allow-uid",      "1001",   "--log-level",    "debug",    "--linger-ms", "0",
                 "--exit-when-idle", "3",      "--keepalive-ms", "20"});
  EXPECT_EQ(config.socket, "/run/x");
  EXPECT_THAT(config.sources, ElementsAre("screen", "test:64x48@30"));
  EXPECT_EQ(config.display, ":7");
  EXPECT_EQ(config.memory.kind, MemoryKind::kCudaIpc);
  EXPECT_EQ(config.slots, 9u);
  EXPECT_EQ(config.max_fps, 29.97);
  EXPECT_EQ(config.lease_ms, 250u);
  EXPECT_EQ(config.keepalive_ms, 20u);
  EXPECT_EQ(config.exit_when_idle_s, 3u);
  EXPECT_THAT(config.allow_uids, ElementsAre(1000, 1001));
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.linger_ms, 0u);
}

TEST_F(ConfigTest, EveryKeyOfTheFileCounts) {
  const Config config = config_in(R"(
    socket = "/run/y"
    sources = ["test:1x1@1", "screen"]
    display = ":8"
    memory = "host"
    slots = 3
    max_fps = 0
    lease_ms = 60000
    keepalive_ms = 10
    linger_ms = 3600000
    exit_when_idle = 86400
    log_level = "off"
    allow_uids = [33, 0]
    [quota]
    clients = 1
    clients_per_uid = 2
    streams_per_uid = 3
    leases_per_uid = 4
    sources_per_uid = 5
    connects_per_second = 1000000
    bytes_per_uid = 1099511627776
    [[policy]]
    sources = ["*"]
    quota = { clients_per_uid = 9, bytes_per_uid = 10 }
  )");
  EXPECT_EQ(config.socket, "/run/y");
  EXPECT_THAT(config.sources, ElementsAre("test:1x1@1", "screen"));
  EXPECT_EQ(config.display, ":8");
  EXPECT_EQ(config.memory.kind, MemoryKind::kHost);
  EXPECT_EQ(config.slots, 3u);
  EXPECT_EQ(config.max_fps, 0.0);
  EXPECT_EQ(config.lease_ms, 60000u);
  EXPECT_EQ(config.keepalive_ms, 10u);
  EXPECT_EQ(config.linger_ms, 3'600'000u);
  EXPECT_EQ(config.exit_when_idle_s, 86400u);
  EXPECT_EQ(config.log_level, "off");
  EXPECT_THAT(config.allow_uids, ElementsAre(33, 0));
  EXPECT_EQ(config.quota.clients, 1u);
  EXPECT_EQ(config.quota.clients_per_uid, 2u);
  EXPECT_EQ(config.quota.streams_per_uid, 3u);
  EXPECT_EQ(config.quota.leases_per_uid, 4u);
  EXPECT_EQ(config.quota.sources_per_uid, 5u);
  EXPECT_EQ(config.quota.connects_per_second, 1'000'000u);
  EXPECT_EQ(config.quota.bytes_per_uid, uint64_t{1} << 40);
  ASSERT_EQ(config.rules.size(), 1u);
  const QuotaLimits of_rule = changed(config.quota, config.rules[0].quota);
  EXPECT_EQ(of_rule.clients_per_uid, 9u);
  EXPECT_EQ(of_rule.bytes_per_uid, 10u);
  EXPECT_EQ(of_rule.streams_per_uid, 3u);
}

TEST_F(ConfigTest, TheCommandLineBeatsTheFileAndTheFileTheDefault) {
  write(R"(slots = 10
           lease_ms = 77
           sources = ["test:1x1@1"]
           allow_uids = [5])");
  const Config config = config_of(
      {"--lease-ms", "88", "--config", file_.c_str(), "--source", "test:2x2@2", "--allow-uid", "6"});
  EXPECT_EQ(config.slots, 10u);
  EXPECT_EQ(config.lease_ms, 88u);
  EXPECT_THAT(config.sources, ElementsAre("test:2x2@2")) << "a list replaces a list";
  EXPECT_THAT(config.allow_uids, ElementsAre(6));
  EXPECT_EQ(config.log_level, "info");
}

TEST_F(ConfigTest, AnEmptyFileChangesNothing) {
  EXPECT_EQ(config_in("").slots, 6u);
  EXPECT_EQ(config_in("# slots = 9\n").slots, 6u);
}

TEST_F(ConfigTest, FractionsAndWholeNumbersAreBothRates) {
  EXPECT_EQ(config_in("max_fps = 60").max_fps, 60.0);
  EXPECT_EQ(config_in("max_fps = 23.976").max_fps, 23.976);
}

TEST_F(ConfigTest, ValuesOutOfRangeAreRefusedWithTheirRange) {
  EXPECT_EQ(refusal({"--slots", "2"}), "slots is 2: it must be 3 to 64");
  EXPECT_EQ(refusal({"--slots", "65"}), "slots is 65: it must be 3 to 64");
  EXPECT_EQ(refusal({"--slots", "4294967299"}), "slots is 4294967299: it must be 3 to 64");
  EXPECT_EQ(refusal({"--lease-ms", "9"}), "lease_ms is 9: it must be 10 to 60000");
  EXPECT_EQ(refusal({"--lease-ms", "60001"}), "lease_ms is 60001: it must be 10 to 60000");
  EXPECT_EQ(refusal({"--keepalive-ms", "9"}), "keepalive_ms is 9: it must be 0 (none), or 10 to 3600000");
  EXPECT_EQ(refusal({"--keepalive-ms", "3600001"}),
            "keepalive_ms is 3600001: it must be 0 (none), or 10 to 3600000");
  EXPECT_EQ(refusal({"--lease-ms", "-1"}), "lease_ms is -1: it must be 10 to 60000");
  for (const char* fps : {"-0.5", "1000.1", "nan", "inf", "-inf"}) {
    EXPECT_THAT(refusal({"--max-fps", fps}), EndsWith("it must be 0 (no cap) to 1000")) << fps;
  }
  EXPECT_EQ(refusal({"--memory", "gpu"}),
            "memory is \"gpu\": it must be auto, host, cuda[:DEVICE] or cuda-ipc[:DEVICE], DEVICE being a "
            "number or a "
            "UUID (GPU-...)");
  EXPECT_EQ(refusal({"--exit-when-idle", "0"}), "exit_when_idle is 0: it must be 1 to 86400");
  EXPECT_EQ(refusal({"--log-level", "loud"}),
            "log_level is \"loud\": it must be trace, debug, info, warn, error or off");
  EXPECT_EQ(refusal({"--allow-uid", "-1"}), "allow_uid is -1: it must be 0 to 4294967294");
  EXPECT_EQ(refusal({"--allow-uid", "4294967295"}), "allow_uid is 4294967295: it must be 0 to 4294967294");
  EXPECT_THAT(refusal({"--source", ""}), HasSubstr("there is no such kind of source"));
  EXPECT_THAT(refusal({"--source", std::string(257, 'x').c_str()}), HasSubstr("longer than 256 bytes"));
  EXPECT_EQ(refusal({"--source", "screen", "--source", "screen"}), "source screen is named twice");
  EXPECT_EQ(refusal({"--source", "test:1x1@1", "--source", "test:1x1@1.0"}),
            "source test:1x1@1 is named twice");
  EXPECT_THAT(refusal({"--linger-ms", "3600001"}), HasSubstr("0 to 3600000"));
}

TEST_F(ConfigTest, MoreSourcesThanAListCanHoldAreRefused) {
  std::vector<std::string> names;
  std::vector<const char*> arguments;
  for (uint32_t i = 0; i <= proto::kMaxStreams; ++i)
    names.push_back("test:" + std::to_string(i + 1) + "x1@1");
  for (const std::string& name : names) arguments.insert(arguments.end(), {"--source", name.c_str()});
  EXPECT_EQ(refusal(arguments), "source is 65 names: it must be 1 to 64 names");
  arguments.resize(2 * proto::kMaxStreams);
  EXPECT_EQ(config_of(arguments).sources.size(), proto::kMaxStreams);
}

TEST_F(ConfigTest, ACommandLineThatMakesNoSenseIsRefusedAndHelpIsNamed) {
  for (const std::vector<const char*>& arguments :
       std::vector<std::vector<const char*>>{{"--slot", "4"}, {"--slots"}, {"extra"}}) {
    EXPECT_THAT(refusal(arguments), EndsWith("(see frameringd --help)"));
  }
}

TEST_F(ConfigTest, HelpNamesEveryOptionAndVersionNamesTheVersion) {
  const auto help = parse({"--help"});
  ASSERT_TRUE(help);
  for (const char* option :
       {"--socket", "--source", "--display", "--memory", "--slots", "--max-fps", "--lease-ms", "--allow-uid",
        "--exit-when-idle", "--config", "--log-level", "--version", "Exit codes"}) {
    EXPECT_THAT(std::get<PrintAndExit>(*help).text, HasSubstr(option));
  }
  const auto version = parse({"--version"});
  ASSERT_TRUE(version);
  EXPECT_EQ(std::get<PrintAndExit>(*version).text, "frameringd " FRAMERING_VERSION "\n");
}

TEST_F(ConfigTest, AnUnknownKeyIsRefusedAtItsPlaceWithTheNearestKnownOne) {
  EXPECT_EQ(refusal_of_file("slots = 4\n  lease-ms = 5\n"),
            ":2:3: unknown key \"lease-ms\"; did you mean \"lease_ms\"?");
  EXPECT_EQ(refusal_of_file("[quota]\nclients = 4\nclient_per_uid = 5\n"),
            ":3:1: unknown key \"client_per_uid\"; did you mean \"clients_per_uid\"?");
  EXPECT_EQ(refusal_of_file("\n[quotas]\n"), ":2:2: unknown key \"quotas\"; did you mean \"quota\"?");
}

TEST_F(ConfigTest, AValueOutOfRangeIsRefusedAtItsPlace) {
  EXPECT_EQ(refusal_of_file("\nslots = 65\n"), ":2:9: slots: slots is 65: it must be 3 to 64");
  EXPECT_EQ(refusal_of_file("[quota]\n\nleases_per_uid = 0\n"),
            ":3:18: leases_per_uid: quota.leases_per_uid is 0: it must be 1 to 1000000");
  EXPECT_THAT(refusal_of_file("max_fps = nan"), StartsWith(":1:11: max_fps:"));
  EXPECT_THAT(refusal_of_file("sources = []"), HasSubstr("source is 0 names: it must be 1 to 64 names"));
  EXPECT_THAT(refusal_of_file("allow_uids = [1, -2]"),
              HasSubstr("allow_uid is -2: it must be 0 to 4294967294"));
}

TEST_F(ConfigTest, AValueOfAnotherTypeIsRefusedAtItsPlace) {
  EXPECT_EQ(refusal_of_file("slots = \"6\""), ":1:9: slots: this must be an integer");
  EXPECT_EQ(refusal_of_file("slots = 6.0"), ":1:9: slots: this must be an integer");
  EXPECT_EQ(refusal_of_file("socket = 1"), ":1:10: socket: this must be a string");
  EXPECT_EQ(refusal_of_file("max_fps = true"), ":1:11: max_fps: this must be a number");
  EXPECT_EQ(refusal_of_file("sources = \"screen\""), ":1:11: sources: this must be an array of strings");
  EXPECT_EQ(refusal_of_file("sources = [\"screen\", 1]"), ":1:11: sources: this must be an array of strings");
  EXPECT_EQ(refusal_of_file("allow_uids = [\"me\"]"), ":1:14: allow_uids: this must be an array of integers");
  EXPECT_EQ(refusal_of_file("quota = 5"), ":1:9: quota: this must be a table");
}

TEST_F(ConfigTest, AFileThatIsNoTomlIsRefusedAtTheMistake) {
  EXPECT_THAT(refusal_of_file("slots = 4\nlease_ms = = 5\n"), StartsWith(":2:12: "));
  EXPECT_THAT(refusal_of_file("slots = 4\nslots = 5\n"), StartsWith(":2:"));
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsNamedWithTheCause) {
  const std::string missing = folder_.file("missing.toml");
  EXPECT_EQ(refusal({"--config", missing.c_str()}), "cannot read " + missing + ": No such file or directory");
  const std::string folder = folder_.file("");
  EXPECT_EQ(refusal({"--config", folder.c_str()}), "cannot read " + folder + ": Is a directory");
}

}  // namespace
}  // namespace framering::daemon
