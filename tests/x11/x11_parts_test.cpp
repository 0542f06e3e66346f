// Parts of a desktop: monitors and regions, and that all of them use one connection and one damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "daemon/capture/x11_source.h"
#include "daemon/capture/x11_window.h"
#include "tests/support/bound_source.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using ::testing::AllOf;
using testing::BoundSource;
using ::testing::HasSubstr;
using testing::X11Desktop;
using testing::Xvfb;

constexpr uint32_t kSlots = 3;

// RandR 1.5 lets any client say which parts of the screen are monitors.
class Monitors {
 public:
  explicit Monitors(std::string display) : display_(std::move(display)) {}

  void set(const std::string& name, xcb_rectangle_t place, bool primary = false) const {
    const auto text = [](int number) { return std::to_string(number); };
    run("--setmonitor '" + std::string(primary ? "*" : "") + name + "' " + text(place.width) + "/100x" +
        text(place.height) + "/100+" + text(place.x) + "+" + text(place.y) + " none");
  }
  void remove(const std::string& name) const { run("--delmonitor " + name); }

 private:
  void run(const std::string& arguments) const {
    const std::string command = "xrandr -d " + display_ + " " + arguments + " > /dev/null";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  }

  const std::string display_;
};

class X11PartsTest : public ::testing::Test {
 protected:
  X11PartsTest() { desktop_.open_windows(random_); }

  template <class Part>
  proto::Result<std::unique_ptr<Source>> try_open(Part part) {
    return open_x11_source({.display = xvfb_.display(), .part = part, .hubs = hubs_});
  }
  template <class Part>
  std::unique_ptr<Source> open(const Part& part) {
    auto source = try_open(part);
    if (!source) throw std::runtime_error(source.error().text());
    return *std::move(source);
  }
  size_t wrong_pixels(const BoundSource& bound, uint32_t slot) {
    const Geometry& geometry = bound.geometry();
    const auto all = desktop_.grab();
    std::vector<std::byte> part(geometry.frame_bytes());
    for (uint32_t y = 0; y < geometry.height; ++y) {
      const size_t from = (size_t(geometry.y) + y) * desktop_.width() + size_t(geometry.x);
      std::memcpy(part.data() + size_t{y} * geometry.stride(), all.data() + from * 4, geometry.stride());
    }
    return testing::differing_pixels(geometry, bound.pixels(slot), part);
  }
  void draw() {
    for (int i = 0; i < 5; ++i) desktop_.draw_random(random_);
    desktop_.sync();
  }

  Xvfb xvfb_{{.screen = "800x600x24"}};
  X11Desktop desktop_{xvfb_.display()};
  const Monitors monitors_{xvfb_.display()};
  const std::shared_ptr<X11Hubs> hubs_ = std::make_shared<X11Hubs>();
  std::mt19937 random_{11};
};

TEST_F(X11PartsTest, ARegionThatReachesOutIsClippedAndTellsWhereItIs) {
  const std::pair<RegionName, Geometry> cases[] = {
      {{10, 20, 300, 200}, {300, 200, PixelFormat::kBgrx8888, 10, 20}},
      {{-50, -60, 300, 200}, {250, 140, PixelFormat::kBgrx8888, 0, 0}},
      {{700, 500, 300, 200}, {100, 100, PixelFormat::kBgrx8888, 700, 500}},
      {{-1, -1, 32767, 32767}, {800, 600, PixelFormat::kBgrx8888, 0, 0}},
      {{799, 599, 1, 1}, {1, 1, PixelFormat::kBgrx8888, 799, 599}},
  };
  for (const auto& [region, geometry] : cases) {
    BoundSource bound(open(region), kSlots);
    EXPECT_EQ(bound.geometry(), geometry);
    draw();
    bound.capture(0);
    EXPECT_EQ(wrong_pixels(bound, 0), 0u);
  }
}

TEST_F(X11PartsTest, ARegionOutsideTheDesktopSaysHowLargeThatIs) {
  for (const RegionName region : {RegionName{800, 0, 10, 10}, RegionName{-20, 0, 20, 10}}) {
    auto source = try_open(region);
    ASSERT_TRUE(source);
    const auto geometry = (*source)->geometry();
    ASSERT_FALSE(geometry);
    EXPECT_THAT(geometry.error().text(), AllOf(HasSubstr("nothing of it"), HasSubstr("800x600")));
  }
}

TEST_F(X11PartsTest, AMonitorIsFoundByNameAndByNumberFromThePrimaryOne) {
  monitors_.set("left", {0, 0, 400, 600});
  monitors_.set("right", {400, 0, 400, 500}, /*primary=*/true);
  const std::pair<MonitorName, Geometry> cases[] = {
      {{"left", 0}, {400, 600, PixelFormat::kBgrx8888, 0, 0}},
      {{"right", 0}, {400, 500, PixelFormat::kBgrx8888, 400, 0}},
      {{{}, 1}, {400, 500, PixelFormat::kBgrx8888, 400, 0}},
  };
  for (const auto& [name, geometry] : cases) {
    BoundSource bound(open(name), kSlots);
    EXPECT_EQ(bound.geometry(), geometry);
    draw();
    bound.capture(0);
    EXPECT_EQ(wrong_pixels(bound, 0), 0u);
  }
  const auto missing = (*try_open(MonitorName{"HDMI-7", 0}))->geometry();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().text(), AllOf(HasSubstr("HDMI-7"), HasSubstr("right (400x500 at 400,0)")));
}

TEST_F(X11PartsTest, AMonitorThatMovesIsFollowedAndOneThatGoesIsGone) {
  monitors_.set("side", {0, 0, 300, 200});
  BoundSource bound(open(MonitorName{"side", 0}), kSlots);
  bound.capture(0);
  bound.poll();
  monitors_.remove("side");
  monitors_.set("side", {200, 100, 300, 200});
  ASSERT_TRUE(bound.readable(5000));
  ASSERT_TRUE(bound.poll().geometry);
  bound.bind_new_pool(kSlots);
  EXPECT_EQ(bound.geometry(), (Geometry{300, 200, PixelFormat::kBgrx8888, 200, 100}));
  draw();
  bound.capture(1);
  EXPECT_EQ(wrong_pixels(bound, 1), 0u);
  monitors_.remove("side");
  ASSERT_TRUE(bound.readable(5000));
  ASSERT_TRUE(bound.poll().geometry);
  EXPECT_EQ(bound.source().geometry().error().code, ErrorCode::kNotFound);
}

// What one source takes of the damage must reach all the others.
TEST_F(X11PartsTest, ManySourcesOfADesktopNeverMissAChangeOfOneAnother) {
  std::vector<std::unique_ptr<BoundSource>> bounds;
  bounds.push_back(std::make_unique<BoundSource>(open(ScreenName{}), kSlots));
  for (int i = 0; i < 4; ++i) {
    bounds.push_back(std::make_unique<BoundSource>(open(RegionName{i * 150, i * 100, 300, 250}), kSlots));
  }
  for (int i = 0; i < 200; ++i) {
    draw();
    BoundSource& bound = *bounds[random_() % bounds.size()];
    const auto slot = static_cast<uint32_t>(random_() % kSlots);
    bound.poll();
    bound.capture(slot);
    ASSERT_EQ(wrong_pixels(bound, slot), 0u) << "capture " << i;
  }
}

TEST_F(X11PartsTest, ASourceThatNobodyCapturedForLongMissesNothing) {
  BoundSource busy(open(ScreenName{}), kSlots);
  BoundSource idle(open(RegionName{0, 0, 400, 300}), kSlots);
  idle.capture(0);
  for (int i = 0; i < 400; ++i) {
    desktop_.fill({static_cast<int16_t>(i), static_cast<int16_t>(i / 2), 5, 5}, static_cast<uint32_t>(i));
    desktop_.sync();
    busy.capture(static_cast<uint32_t>(i) % kSlots);
  }
  idle.capture(0);
  EXPECT_EQ(wrong_pixels(idle, 0), 0u);
}

TEST_F(X11PartsTest, SourcesInThreadsShareOneConnection) {
  const auto sockets = [] {
    std::set<std::string> found;
    for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(fd.path(), gone);
      if (target.starts_with("socket:")) found.insert(target);
    }
    return found.size();
  };
  const size_t before = sockets();
  testing::X11TestWindow window(xvfb_.display());
  std::vector<std::unique_ptr<BoundSource>> bounds;
  bounds.push_back(std::make_unique<BoundSource>(open(ScreenName{}), kSlots));
  bounds.push_back(std::make_unique<BoundSource>(open(RegionName{50, 50, 200, 200}), kSlots));
  auto opened = open_x11_window({xvfb_.display(), WindowId{window.id()}, X11CopyMethod::kAutomatic, hubs_});
  ASSERT_TRUE(opened);
  bounds.push_back(std::make_unique<BoundSource>(*std::move(opened), kSlots));
  EXPECT_EQ(sockets(), before + 2) << "the window's client and the hub";
  std::vector<std::thread> threads;
  for (const auto& bound : bounds) {
    threads.emplace_back([&bound = *bound] {
      for (uint32_t i = 0; i < 300; ++i) {
        bound.poll();
        bound.capture(i % kSlots);
      }
    });
  }
  for (int i = 0; i < 100; ++i) draw();
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 2; ++i) {
    bounds[i]->capture(0);
    EXPECT_EQ(wrong_pixels(*bounds[i], 0), 0u);
  }
  bounds.clear();
  EXPECT_EQ(sockets(), before + 1);
}

TEST_F(X11PartsTest, DrawingElsewhereNeitherWakesAPartNorAddsToItsDamage) {
  BoundSource left(open(RegionName{0, 0, 200, 600}), kSlots);
  BoundSource right(open(RegionName{400, 0, 200, 600}), kSlots);
  for (const BoundSource* part : {&left, &right}) {
    part->capture(0);
    part->poll();
  }
  // More often than a part may fall behind.
  for (uint32_t i = 0; i < 600; ++i) {
    desktop_.fill({30, 40, 150, 100}, i);
    desktop_.sync();
    ASSERT_TRUE(left.readable(5000));
    ASSERT_TRUE(left.poll().changed);
    left.capture(i % kSlots);
  }
  EXPECT_FALSE(right.readable(0));
  EXPECT_FALSE(right.poll().changed);

  desktop_.fill({390, 100, 30, 7}, 0x123456);
  desktop_.sync();
  ASSERT_TRUE(right.readable(5000));
  EXPECT_TRUE(right.poll().changed);
  EXPECT_EQ(right.capture(1).damage.bounds(), (DamageRect{0, 100, 20, 7}));
  right.capture(0);
  EXPECT_EQ(wrong_pixels(right, 0), 0u);
  EXPECT_EQ(wrong_pixels(right, 1), 0u);
  EXPECT_FALSE(left.readable(0));
  EXPECT_FALSE(left.poll().changed);
}

// Another source's end or interruption leaves the shared connection alone.
TEST_F(X11PartsTest, InterruptingOneSourceLeavesTheOthersAlone) {
  BoundSource first(open(ScreenName{}), kSlots);
  BoundSource second(open(RegionName{50, 50, 200, 200}), kSlots);
  first.source().interrupt();
  EXPECT_FALSE(first.source().poll());
  draw();
  second.poll();
  second.capture(0);
  EXPECT_EQ(wrong_pixels(second, 0), 0u);
}

TEST_F(X11PartsTest, WithoutRandrMonitorsAreRefusedAndTheRestWorks) {
  const Xvfb plain{{.screen = "320x200x24", .arguments = {"-extension", "RANDR"}}};
  auto source = open_x11_source({.display = plain.display(), .part = MonitorName{{}, 1}});
  ASSERT_TRUE(source);
  const auto geometry = (*source)->geometry();
  ASSERT_FALSE(geometry);
  EXPECT_THAT(geometry.error().text(), AllOf(HasSubstr("lacks the extension RANDR"), HasSubstr("screen")));
  EXPECT_EQ(BoundSource(*open_x11_source({.display = plain.display()}), kSlots).geometry().width, 320u);
}

}  // namespace
}  // namespace framering::daemon
