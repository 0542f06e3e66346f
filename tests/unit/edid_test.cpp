// What an EDID says of make and model, and that nothing else is taken for one.
#include "daemon/capture/edid.h"

#include <gtest/gtest.h>

#include <span>

#include "tests/support/made_edid.h"

namespace framering::daemon {
namespace {

using testing::make_edid;

TEST(Edid, NamesMakeAndModel) {
  const auto names = read_edid(make_edid("DEL", 0x40f1, "DELL U2720Q"));
  EXPECT_EQ(names.make, "DEL");
  EXPECT_EQ(names.model, "DELL U2720Q");
}

TEST(Edid, ANameOfAllThirteenCharactersHasNoEndMark) {
  EXPECT_EQ(read_edid(make_edid("GSM", 1, "LG ULTRAWIDE4")).model, "LG ULTRAWIDE4");
}

TEST(Edid, WithoutANameTheModelIsTheProductCode) {
  EXPECT_EQ(read_edid(make_edid("AUO", 0x10ed, "")).model, "10ED");
}

TEST(Edid, HostileTextIsMadePrintable) {
  EXPECT_EQ(read_edid(make_edid("DEL", 1, "a\x1b[2J\xff")).model, "a?[2J?");
}

TEST(Edid, WhatHasAWrongChecksumHeaderOrLengthIsNone) {
  auto edid = make_edid("DEL", 0x40f1, "DELL U2720Q");
  auto longer = edid;
  longer.resize(256);
  EXPECT_TRUE(is_edid(longer)) << "with an extension block";
  for (size_t i = 0; i < edid.size(); ++i) {
    auto wrong = edid;
    wrong[i] ^= std::byte{1};
    EXPECT_FALSE(is_edid(wrong)) << i;
    EXPECT_EQ(read_edid(wrong).make, "");
  }
  for (size_t size = 0; size < edid.size(); ++size) {
    EXPECT_FALSE(is_edid(std::span(edid).first(size)));
  }
}

}  // namespace
}  // namespace framering::daemon
