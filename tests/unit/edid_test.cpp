// What an EDID says of make and model, and that nothing else is taken for one.
#include "daemon/capture/edid.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace framering::daemon {
namespace {

// A base block with this vendor, product and name, by the tables of VESA E-EDID 1.4.
std::vector<std::byte> make_edid(const std::string& vendor, uint16_t product, const std::string& name) {
  std::array<uint8_t, 128> edid{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  const int letters = (vendor[0] - '@') << 10 | (vendor[1] - '@') << 5 | (vendor[2] - '@');
  edid[8] = static_cast<uint8_t>(letters >> 8);
  edid[9] = static_cast<uint8_t>(letters);
  edid[10] = static_cast<uint8_t>(product);
  edid[11] = static_cast<uint8_t>(product >> 8);
  edid[54] = 0x02;  // a timing
  if (!name.empty()) {
    edid[72 + 3] = 0xfc;
    std::string text = name + (name.size() < 13 ? "\n" : "");
    text.resize(13, ' ');
    std::copy(text.begin(), text.end(), edid.begin() + 72 + 5);
  }
  uint8_t sum = 0;
  for (const uint8_t byte : edid) sum = static_cast<uint8_t>(sum + byte);
  edid[127] = static_cast<uint8_t>(-sum);
  const auto* bytes = reinterpret_cast<const std::byte*>(edid.data());
  return {bytes, bytes + edid.size()};
}

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
