// How memory is chosen, for all streams and for one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "daemon/config.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using proto::MemoryKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr const char* kUuid = "GPU-face6672-616d-6572-696e-672d67707500";

class MemoryChoiceTest : public ::testing::Test {
 protected:
  MemoryChoiceTest() { close(mkstemp(path_)); }
  ~MemoryChoiceTest() override { unlink(path_); }

  proto::Result<Config> read(const std::string& text) const {
    std::ofstream(path_) << text;
    return read_config_file(path_);
  }
  Config parse(std::vector<const char*> arguments) const {
    arguments.insert(arguments.begin(), "frameringd");
    const auto parsed = parse_config(static_cast<int>(arguments.size()), arguments.data());
    if (!parsed) throw std::runtime_error(parsed.error().text());
    return std::get<Config>(*parsed);
  }

  char path_[40] = "/tmp/framering-config-XXXXXX";
};

TEST_F(MemoryChoiceTest, EveryKindAndEveryWayToNameADeviceIsKnown) {
  const std::pair<std::string, MemoryChoice> cases[] = {
      {"auto", {MemoryKind::kAuto, ""}},
      {"host", {MemoryKind::kHost, ""}},
      {"cuda", {MemoryKind::kCuda, ""}},
      {"cuda:0", {MemoryKind::kCuda, "0"}},
      {"cuda:12", {MemoryKind::kCuda, "12"}},
      {std::string("cuda:") + kUuid, {MemoryKind::kCuda, kUuid}},
      {"cuda-ipc", {MemoryKind::kCudaIpc, ""}},
      {"cuda-ipc:1", {MemoryKind::kCudaIpc, "1"}},
      {std::string("cuda-ipc:") + kUuid, {MemoryKind::kCudaIpc, kUuid}},
  };
  for (const auto& [text, expected] : cases) {
    MemoryChoice choice;
    ASSERT_TRUE(set_memory(choice, text)) << text;
    EXPECT_EQ(choice, expected) << text;
  }
}

TEST_F(MemoryChoiceTest, AnythingElseIsRefusedWithWhatIsAllowed) {
  for (const std::string text : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:1:2", "cuda:GPU-1",
                                 "cuda:1000", "host:0", "auto:1", "cuda-ipc:", ":1"}) {
    MemoryChoice choice{MemoryKind::kHost, ""};
    const auto set = set_memory(choice, text);
    ASSERT_FALSE(set) << text;
    EXPECT_EQ(set.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(set.error().message, HasSubstr("auto, host, cuda[:DEVICE] or cuda-ipc[:DEVICE]"));
    EXPECT_EQ(choice.kind, MemoryKind::kHost) << "what was there stays";
  }
}

TEST_F(MemoryChoiceTest, AStreamOfItsOwnComesAfterTheSourcesWithMemoryOfItsOwn) {
  const auto config = read(R"(
    sources = ["screen"]
    memory = "host"
    [[stream]]
    source = "test:1x1@1"
    memory = "cuda:1"
    [[stream]]
    source = "test:2x2@1"
  )");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_THAT(config->sources, ElementsAre("screen", "test:1x1@1", "test:2x2@1"));
  EXPECT_EQ(config->memory, (MemoryChoice{MemoryKind::kHost, ""}));
  EXPECT_THAT(config->stream_memory, ElementsAre(Pair("test:1x1@1", MemoryChoice{MemoryKind::kCuda, "1"})));
}

TEST_F(MemoryChoiceTest, StreamsAloneLeaveTheDefaultSourceOut) {
  const auto config = read("[[stream]]\nsource = \"test:1x1@1\"\n");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_THAT(config->sources, ElementsAre("test:1x1@1"));
}

TEST_F(MemoryChoiceTest, TheCommandLinesMemoryHoldsForAllStreamsAndItsSourcesReplaceThem) {
  ASSERT_TRUE(read("[[stream]]\nsource = \"test:1x1@1\"\nmemory = \"cuda:1\"\n"));
  const Config memory = parse({"--config", path_, "--memory", "host"});
  EXPECT_THAT(memory.sources, ElementsAre("test:1x1@1"));
  EXPECT_TRUE(memory.stream_memory.empty());
  EXPECT_EQ(memory.memory.kind, MemoryKind::kHost);
  EXPECT_THAT(parse({"--config", path_, "--source", "screen"}).sources, ElementsAre("screen"));
}

TEST_F(MemoryChoiceTest, MistakesInAStreamAreFoundWithTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"[[stream]]\nmemory = \"cuda\"", ":1:1: stream: it needs a source"},
      {"[[stream]]\nsource = \"x\"", ":2:10: source: source \"x\": there is no such kind"},
      {"[[stream]]\nsource = \"screen\"\nmemory = \"gpu\"", ":3:10: memory: memory is \"gpu\""},
      {"[[stream]]\nsource = 5", ":2:10: source: this must be a string"},
      {"[[stream]]\nsource = \"x\"\nmemori = \"host\"",
       ":3:1: unknown key \"memori\"; did you mean \"memory\"?"},
      {"[stream]\nsource = \"x\"", ":1:1: stream: these must be tables in double brackets"},
      {"stream = [1]", "stream: these must be tables in double brackets"},
      {"sources = [\"screen\"]\n[[stream]]\nsource = \"screen\"", "source screen is named twice"},
  };
  for (const auto& [text, expected] : cases) {
    const auto config = read(text);
    ASSERT_FALSE(config) << text;
    EXPECT_THAT(config.error().text(), HasSubstr(expected));
  }
}

}  // namespace
}  // namespace framering::daemon
