// Frames of an X server against independent grabs of it: XGetImage on another connection, and the program
// xwd.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "daemon/capture/x11_source.h"
#include "proto/unique_fd.h"
#include "tests/support/bound_source.h"
#include "tests/support/child.h"
#include "tests/support/seed.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/xvfb.h"
#include "tests/support/xwd.h"

namespace framering::daemon {
namespace {

using proto::UniqueFd;
using testing::BoundSource;
using testing::differing_pixels;
using testing::random_seed;
using testing::X11Desktop;
using testing::Xvfb;

constexpr uint32_t kSlots = 5;

std::unique_ptr<Source> open(const Xvfb& server, X11CopyMethod method) {
  auto source = open_x11_source({server.display(), method});
  if (!source) throw std::runtime_error(source.error().text());
  return *std::move(source);
}

std::array<uint32_t, 3> rgb(PixelFormat format, const std::byte* at) {
  uint32_t word = 0;
  std::memcpy(&word, at, proto::bytes_per_pixel(format));
  switch (format) {
    case PixelFormat::kBgrx8888:
    case PixelFormat::kBgra8888:
      return {word >> 16 & 255, word >> 8 & 255, word & 255};
    case PixelFormat::kRgbx8888:
      return {word & 255, word >> 8 & 255, word >> 16 & 255};
    case PixelFormat::kXrgb2101010:
      return {word >> 20 & 1023, word >> 10 & 1023, word & 1023};
    case PixelFormat::kRgb565:
      return {word >> 11 & 31, word >> 5 & 63, word & 31};
  }
  return {};
}

// Colours of the slot, read by its format's name, that xwd sees otherwise.
size_t differs_from_xwd(const BoundSource& bound, uint32_t slot, const Xvfb& server) {
  const Geometry& geometry = bound.geometry();
  const testing::XwdImage image = testing::grab_xwd(server.display());
  if (image.width != geometry.width || image.height != geometry.height) return SIZE_MAX;
  size_t count = 0;
  for (uint32_t y = 0; y < geometry.height; ++y) {
    const std::byte* row = bound.pixels(slot).data() + size_t{y} * geometry.stride();
    for (uint32_t x = 0; x < geometry.width; ++x) {
      count += rgb(geometry.format, row + x * proto::bytes_per_pixel(geometry.format)) != image.rgb(x, y);
    }
  }
  return count;
}

size_t stale_pixels(const BoundSource& bound, uint32_t slot, X11Desktop& desktop) {
  return differing_pixels(bound.geometry(), bound.pixels(slot), desktop.grab());
}

struct Screen {
  uint32_t width, height, updates;
};
using Parameter = std::tuple<Screen, X11CopyMethod>;

std::string method_name(X11CopyMethod method) {
  return method == X11CopyMethod::kPixmaps ? "pixmaps" : "bands";
}
constexpr auto kMethods = {X11CopyMethod::kPixmaps, X11CopyMethod::kBands};

std::string parameter_name(const ::testing::TestParamInfo<Parameter>& info) {
  const auto& [screen, method] = info.param;
  return std::to_string(screen.width) + "x" + std::to_string(screen.height) + "_" + method_name(method);
}

class PixelExact : public ::testing::TestWithParam<Parameter> {};

TEST_P(PixelExact, RotatingSlotsHoldNoStalePixel) {
  const auto& [screen, method] = GetParam();
  // Primes, so that every slot gets its turn.
  constexpr uint32_t kUpdatesAGrab = 7, kUpdatesAnXwd = 97;
  const Xvfb server({.screen = std::to_string(screen.width) + "x" + std::to_string(screen.height) + "x24"});
  std::mt19937 random(random_seed());
  X11Desktop desktop(server.display());
  desktop.open_windows(random);
  BoundSource bound(open(server, method), kSlots);
  ASSERT_EQ(bound.geometry(), (Geometry{screen.width, screen.height, PixelFormat::kBgrx8888}));

  for (uint32_t update = 1; update <= screen.updates; ++update) {
    desktop.draw_random(random);
    desktop.sync();
    const uint32_t slot = update % kSlots;
    bound.capture(slot);
    if (update % kUpdatesAGrab == 0) {
      ASSERT_EQ(stale_pixels(bound, slot, desktop), 0u) << "after update " << update;
    }
    if (update % kUpdatesAnXwd == 0) {
      ASSERT_EQ(differs_from_xwd(bound, slot, server), 0u) << "after update " << update;
    }
  }
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    bound.capture(slot);
    EXPECT_EQ(stale_pixels(bound, slot, desktop), 0u) << "slot " << slot;
    EXPECT_EQ(differs_from_xwd(bound, slot, server), 0u) << "slot " << slot;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Screens, PixelExact,
    ::testing::Combine(::testing::Values(Screen{1280, 1024, 400}, Screen{1920, 1080, 2000},
                                         Screen{3840, 2160, 200}, Screen{1366, 771, 400}),
                       ::testing::ValuesIn(kMethods)),
    parameter_name);

class PixelExactBy : public ::testing::TestWithParam<X11CopyMethod> {};

// Drawing goes on in another process while frames are captured whenever the source says that something
// changed. When all is quiet, the newest frame must be the last picture: nothing was lost between the damage,
// the copy and the events.
TEST_P(PixelExactBy, NothingIsMissedWhileAnotherProcessDraws) {
  constexpr int kUpdates = 8000;
  constexpr int kQuietMs = 300;
  const Xvfb server({.screen = "1280x1024x24"});
  const uint32_t seed = random_seed();
  BoundSource bound(open(server, GetParam()), 3);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd quit_reader(ends[0]);
  UniqueFd quit(ends[1]);
  testing::Child writer([&] {
    quit.reset();
    std::mt19937 random(seed);
    X11Desktop desktop(server.display());
    desktop.open_windows(random);
    for (int i = 0; i < kUpdates; ++i) {
      desktop.draw_random(random);
      if (i % 4 == 0) desktop.sync();
    }
    desktop.sync();
    char byte;
    return static_cast<int>(read(quit_reader.get(), &byte, 1));  // keeps its windows until told to end
  });

  uint32_t slot = 0;
  int captures = 1;
  bound.capture(slot);
  do {
    while (bound.poll().changed) {
      slot = (slot + 1) % 3;
      bound.capture(slot);
      ++captures;
    }
  } while (bound.readable(kQuietMs));
  std::printf("%d captures of %d updates\n", captures, kUpdates);
  EXPECT_GT(captures, 10);
  X11Desktop desktop(server.display());
  EXPECT_EQ(stale_pixels(bound, slot, desktop), 0u);
  EXPECT_EQ(differs_from_xwd(bound, slot, server), 0u);
  quit.reset();
  EXPECT_EQ(writer.wait(), 0);
}

TEST_P(PixelExactBy, OtherDepthsCarryTheirOwnName) {
  for (const auto& [depth, format] : {std::pair{30, PixelFormat::kXrgb2101010}, {16, PixelFormat::kRgb565}}) {
    // An odd width: rows of 16-bit pixels are padded.
    const Xvfb server({.screen = "1367x771x" + std::to_string(depth)});
    std::mt19937 random(random_seed());
    X11Desktop desktop(server.display());
    desktop.open_windows(random);
    BoundSource bound(open(server, GetParam()), 3);
    EXPECT_EQ(bound.geometry(), (Geometry{1367, 771, format}));
    for (uint32_t update = 0; update < 200; ++update) {
      desktop.draw_random(random);
      desktop.sync();
      bound.capture(update % 3);
    }
    EXPECT_EQ(stale_pixels(bound, 199 % 3, desktop), 0u);
    EXPECT_EQ(differs_from_xwd(bound, 199 % 3, server), 0u) << "depth " << depth;
  }
}

TEST_P(PixelExactBy, NothingIsStaleAfterAModeSwitch) {
  const Xvfb server({.screen = "1920x1080x24"});
  std::mt19937 random(random_seed());
  X11Desktop desktop(server.display());
  desktop.open_windows(random);
  BoundSource bound(open(server, GetParam()), 3);
  for (const auto& [width, height] : {std::pair{1280, 720}, {1366, 771}, {1920, 1080}}) {
    desktop.resize(static_cast<uint16_t>(width), static_cast<uint16_t>(height));
    ASSERT_TRUE(bound.readable(5000));
    ASSERT_TRUE(bound.poll().geometry);
    bound.bind_new_pool(3);
    EXPECT_EQ(bound.geometry().width, static_cast<uint32_t>(width));
    EXPECT_EQ(bound.geometry().height, static_cast<uint32_t>(height));
    for (uint32_t update = 0; update < 100; ++update) {
      desktop.draw_random(random);
      desktop.sync();
      bound.capture(update % 3);
    }
    for (uint32_t slot = 0; slot < 3; ++slot) {
      bound.capture(slot);
      EXPECT_EQ(stale_pixels(bound, slot, desktop), 0u);
      EXPECT_EQ(differs_from_xwd(bound, slot, server), 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, PixelExactBy, ::testing::ValuesIn(kMethods),
                         [](const auto& info) { return method_name(info.param); });

}  // namespace
}  // namespace framering::daemon
