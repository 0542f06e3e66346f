// The names of sources: what they mean, that each source has one spelling, and what is no name.
#include "daemon/source_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "proto/limits.h"
#include "proto/text.h"
#include "tests/support/seed.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using ::testing::HasSubstr;

SourceName named(std::string_view text) {
  auto name = SourceName::parse(text);
  if (!name) throw std::runtime_error(name.error().text());
  return *std::move(name);
}
template <class Kind>
Kind value(std::string_view text) {
  return std::get<Kind>(named(text).value());
}
std::string refusal(std::string_view text) {
  const auto name = SourceName::parse(text);
  EXPECT_FALSE(name) << text;
  if (name) return {};
  EXPECT_EQ(name.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(proto::is_text(name.error().message));
  EXPECT_FALSE(name.error().hint.empty());
  return name.error().text();
}

TEST(SourceName, EachKindIsTaken) {
  EXPECT_TRUE(std::holds_alternative<ScreenName>(named("screen").value()));
  EXPECT_EQ(value<MonitorName>("monitor:HDMI-1").name, "HDMI-1");
  EXPECT_EQ(value<MonitorName>("monitor:HDMI-1").number, 0u);
  EXPECT_EQ(value<MonitorName>("monitor:2").number, 2u);
  EXPECT_EQ(value<MonitorName>("monitor:2x").name, "2x");
  const auto region = value<RegionName>("region:-10,20,640x480");
  EXPECT_EQ(region.x, -10);
  EXPECT_EQ(region.y, 20);
  EXPECT_EQ(region.width, 640u);
  EXPECT_EQ(region.height, 480u);
  EXPECT_EQ(value<WindowId>("window:0x1a00007").id, 0x1a00007u);
  EXPECT_EQ(value<WindowClass>("window:class=XTerm").name, "XTerm");
  EXPECT_TRUE(std::holds_alternative<ActiveWindow>(named("window:active").value()));
  const auto test = value<TestName>("test:1920x1080@59.94");
  EXPECT_EQ(test.width, 1920u);
  EXPECT_EQ(test.height, 1080u);
  EXPECT_DOUBLE_EQ(test.fps, 59.94);
  EXPECT_EQ(value<TestName>("test:32767x1@0.01").width, 32767u);
}

TEST(SourceName, ATitleMatchesAnywhereAndCaseCounts) {
  const auto pattern = value<WindowTitle>("window:title=^Mozilla (Firefox|Nightly)$|Editor").pattern;
  EXPECT_TRUE(pattern.matches("Mozilla Firefox"));
  EXPECT_TRUE(pattern.matches("notes.txt - Editor 2"));
  EXPECT_FALSE(pattern.matches("mozilla firefox"));
  EXPECT_FALSE(pattern.matches(""));
  EXPECT_TRUE(value<WindowTitle>(R"(window:title=^\{1\}$)").pattern.matches("{1}"));
}

TEST(SourceName, ThePointerIsAskedForAtTheEndAndMakesAnotherSource) {
  EXPECT_FALSE(named("screen").with_cursor());
  for (const std::string text : {"screen+cursor", "monitor:1+cursor", "window:title=Notes+cursor"}) {
    EXPECT_TRUE(named(text).with_cursor());
    EXPECT_EQ(named(text).text(), text);
  }
  EXPECT_EQ(value<MonitorName>("monitor:HDMI-1+cursor").name, "HDMI-1");
  EXPECT_FALSE(named("window:title=a+curso[r]").with_cursor());
  EXPECT_THAT(refusal("test:64x48@30+cursor"), HasSubstr("a test picture has no pointer"));
  EXPECT_THAT(refusal("+cursor"), HasSubstr("no such kind"));
  EXPECT_THAT(refusal("screen+cursor+cursor"), HasSubstr("no such kind"));
}

TEST(SourceName, OneSourceHasOneSpelling) {
  const std::pair<const char*, const char*> spellings[] = {
      {"window:0x01A00007", "window:0x1a00007"},
      {"window:0X1a00007", "window:0x1a00007"},
      {"monitor:01", "monitor:1"},
      {"test:640x480@60.0", "test:640x480@60"},
      {"test:0640x480@6e1", "test:640x480@60"},
      {"region:-0,00,64x048", "region:0,0,64x48"},
      {"screen", "screen"},
      {"window:title=a b", "window:title=a b"},
  };
  for (const auto& [given, one] : spellings) EXPECT_EQ(named(given).text(), one);
}

TEST(SourceName, WhatIsNoNameIsRefusedWithHowItIsWritten) {
  for (const char* text : {"", "Screen", "screen ", "desktop", "test", "window", "tset:640x480@60"}) {
    EXPECT_THAT(refusal(text), HasSubstr("there are: screen, monitor:NAME"));
  }
  for (const char* text : {"test:", "test:640x480", "test:640x480@", "test:640@60", "test:x480@60",
                           "test:640x480@60fps", "test:640x480@60 ", "test: 640x480@60", "test:-1x480@60",
                           "test:99999999999x480@60", "test:640x480@1e999"}) {
    EXPECT_THAT(refusal(text), HasSubstr("test:WIDTHxHEIGHT@FPS"));
  }
  for (const char* text : {"test:0x480@60", "test:640x32768@60", "region:0,0,0x1", "region:0,0,1x32768"}) {
    EXPECT_THAT(refusal(text), HasSubstr("1 to 32767 pixels"));
  }
  for (const char* text : {"test:640x480@0", "test:640x480@1000.5", "test:640x480@-1", "test:640x480@nan",
                           "test:640x480@inf", "test:640x480@0.001"}) {
    EXPECT_THAT(refusal(text), HasSubstr("0.01 to 1000"));
  }
  for (const char* text :
       {"region:", "region:1", "region:1,2", "region:1,2,3", "region:1,2,3x", "region:a,2,3x4",
        "region:1,2,3x4,", "region:1, 2,3x4", "region:99999999999,0,1x1"}) {
    EXPECT_THAT(refusal(text), HasSubstr("region:X,Y,WIDTHxHEIGHT"));
  }
  for (const char* text : {"region:32768,0,1x1", "region:0,-2147483648,1x1"}) {
    EXPECT_THAT(refusal(text), HasSubstr("-32767 to 32767"));
  }
  EXPECT_THAT(refusal("monitor:"), HasSubstr("names no monitor"));
  for (const char* text : {"monitor:0", "monitor:1000", "monitor:99999999999"}) {
    EXPECT_THAT(refusal(text), HasSubstr("count from 1"));
  }
  for (const char* text : {"window:", "window:0x", "window:0x0", "window:0x100000000", "window:12",
                           "window:0x1g", "window:Active", "window:name=x"}) {
    EXPECT_THAT(refusal(text), HasSubstr("window:0xID"));
  }
  EXPECT_THAT(refusal("window:title="), HasSubstr("empty"));
  EXPECT_THAT(refusal("window:class="), HasSubstr("empty"));
}

TEST(SourceName, APatternThatDoesNotCompileIsRefusedWithTheReason) {
  EXPECT_THAT(refusal("window:title=(a"), HasSubstr("Unmatched ( or \\("));
  EXPECT_THAT(refusal("window:title=[a"), HasSubstr("the title's pattern is none"));
}

// glibc takes gigabytes for the first and an exponential time for the second.
TEST(SourceName, APatternThatCouldTakeTheDaemonDownIsRefused) {
  EXPECT_THAT(refusal("window:title=((((a{1,255}){1,255}){1,255}){1,255})"), HasSubstr("counted repetition"));
  EXPECT_THAT(refusal("window:title=(a*)*\\1"), HasSubstr("back-references"));
}

TEST(SourceName, TextThatNoClientShouldSendIsToldInPrintableText) {
  EXPECT_THAT(refusal("window:title=\x1b[31m"), HasSubstr("not printable"));
  EXPECT_THAT(refusal("monitor:\xff"), HasSubstr("not printable"));
  EXPECT_THAT(refusal(std::string(257, 'x')), HasSubstr("longer than 256 bytes"));
  EXPECT_TRUE(SourceName::parse("window:class=" + std::string(proto::kMaxSourceName - 13, 'x')));
}

// Random texts near the grammar: none brings it down, and what is taken is taken again alike.
TEST(SourceName, ParsingTheOneSpellingGivesItAgain) {
  const unsigned seed = testing::random_seed();
  std::mt19937 random(seed);
  const std::vector<std::string> words{
      "screen", "monitor:", "region:", "window:", "title=", "class=", "active", "test:", "0x",
      "x",      "@",        ",",       "-",       "0",      "1",      "32767",  "640",   "480",
      "60",     ".5",       "1e3",     "a",       "F",      "(",      ")",      "*",     "[",
      "]",      "\\",       "|",       "^",       "$",      "+",      " ",      "é",     "\x80"};
  size_t taken = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text = words[random() % 8];
    for (unsigned n = random() % 8; n > 0; --n) text += words[random() % words.size()];
    const auto name = SourceName::parse(text);
    if (!name) continue;
    ++taken;
    const auto again = SourceName::parse(name->text());
    ASSERT_TRUE(again) << "seed " << seed << ": " << text << " -> " << name->text();
    ASSERT_EQ(again->text(), name->text()) << "seed " << seed << ": " << text;
    ASSERT_EQ(again->value().index(), name->value().index());
  }
  EXPECT_GT(taken, 1000u);
}

}  // namespace
}  // namespace framering::daemon
