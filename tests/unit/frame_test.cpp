// Sizes that a stream can have, and the damage list.
#include "daemon/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace framering::daemon {
namespace {

using proto::kMaxDamageRects;
using proto::kMaxDimension;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Geometry, SizesWithinTheLimitsAreTaken) {
  for (const uint32_t side : {1u, 1080u, kMaxDimension}) {
    EXPECT_TRUE(check_geometry({side, side, PixelFormat::kRgb565}));
  }
}

TEST(Geometry, OtherSizesAndFormatsAreRefused) {
  for (const Geometry& geometry :
       {Geometry{0, 1}, Geometry{1, 0}, Geometry{kMaxDimension + 1, 1}, Geometry{1, ~0u}}) {
    const auto checked = check_geometry(geometry);
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message, HasSubstr("1 to 32767 pixels"));
  }
  EXPECT_FALSE(check_geometry({1, 1, static_cast<PixelFormat>(0)}));
  EXPECT_FALSE(check_geometry({1, 1, static_cast<PixelFormat>(6)}));
}

TEST(Geometry, RowsArePaddedToFourBytesAndTheLargestFrameDoesNotOverflow) {
  EXPECT_EQ((Geometry{3, 1, PixelFormat::kRgb565}.stride()), 8u);
  EXPECT_EQ((Geometry{3, 1, PixelFormat::kBgrx8888}.stride()), 12u);
  const Geometry largest{kMaxDimension, kMaxDimension, PixelFormat::kBgrx8888};
  EXPECT_EQ(largest.frame_bytes(), uint64_t{4} * kMaxDimension * kMaxDimension);
}

TEST(Damage, RectanglesAreKeptInOrderAndEmptyOnesAreNot) {
  Damage damage;
  EXPECT_TRUE(damage.empty());
  damage.add({5, 6, 7, 8});
  damage.add({1, 1, 0, 9});
  damage.add({1, 1, 9, 0});
  damage.add({0, 0, 1, 1});
  EXPECT_THAT(std::vector<DamageRect>(damage.begin(), damage.end()),
              ElementsAre(DamageRect{5, 6, 7, 8}, DamageRect{0, 0, 1, 1}));
  EXPECT_EQ(damage.bounds(), (DamageRect{0, 0, 12, 14}));
  damage.clear();
  EXPECT_TRUE(damage.empty());
}

TEST(Damage, MoreRectanglesThanTheListHoldsBecomeTheirBoundingBox) {
  Damage damage;
  for (uint16_t i = 0; i < kMaxDamageRects; ++i) damage.add({uint16_t(100 + i), uint16_t(200 + i), 2, 3});
  EXPECT_EQ(damage.size(), kMaxDamageRects);
  damage.add({50, 500, 1, 1});
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_EQ(*damage.begin(), (DamageRect{50, 200, 115, 301}));
  damage.add({0, 0, 1, 1});
  EXPECT_EQ(damage.size(), 2u);
}

TEST(Damage, TheLargestScreenIsOneRectangle) {
  Damage damage;
  damage.add({1, 2, 3, 4});
  damage.set_full({kMaxDimension, kMaxDimension});
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_EQ(damage.bounds(), (DamageRect{0, 0, uint16_t{kMaxDimension}, uint16_t{kMaxDimension}}));
}

}  // namespace
}  // namespace framering::daemon
