// Single windows: found by what is said of them, right wherever they are, and honest when they are not shown.
#include "daemon/capture/x11_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xcb/composite.h>

#include <random>
#include <stdexcept>

#include "daemon/capture/x11_source.h"
#include "tests/support/bound_source.h"
#include "tests/support/seed.h"
#include "tests/support/soon.h"
#include "tests/support/x11_refusing_proxy.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using proto::ErrorCode;
using ::testing::AllOf;
using testing::BoundSource;
using testing::differing_pixels;
using ::testing::HasSubstr;
using testing::X11TestWindow;
using testing::Xvfb;

constexpr uint32_t kSlots = 3;

class X11WindowTest : public ::testing::Test {
 protected:
  proto::Result<std::unique_ptr<Source>> try_open(const std::string& source) {
    const auto name = SourceName::parse(source);
    if (!name) throw std::runtime_error(name.error().text());
    X11WindowName window;
    if (const auto* id = std::get_if<WindowId>(&name->value())) window = *id;
    if (const auto* title = std::get_if<WindowTitle>(&name->value())) window = *title;
    if (const auto* by_class = std::get_if<WindowClass>(&name->value())) window = *by_class;
    if (std::holds_alternative<ActiveWindow>(name->value())) window = ActiveWindow{};
    return open_x11_window({xvfb_.display(), window, X11CopyMethod::kAutomatic, hubs_});
  }
  std::unique_ptr<Source> open(const std::string& source) {
    auto opened = try_open(source);
    if (!opened) throw std::runtime_error(opened.error().text());
    return *std::move(opened);
  }
  // Pixels that are not what the window itself shows to another client.
  static size_t wrong_pixels(BoundSource& bound, X11TestWindow& window, uint32_t slot = 0) {
    return differing_pixels(bound.geometry(), bound.pixels(slot), window.grab());
  }
  // Events as the pump takes them: a new geometry is bound.
  static SourceEvents follow(BoundSource& bound) {
    const SourceEvents events = bound.poll();
    if (events.geometry) bound.bind_new_pool(kSlots);
    return events;
  }

  Xvfb xvfb_{{.screen = "800x600x24"}};
  const std::shared_ptr<X11Hubs> hubs_ = std::make_shared<X11Hubs>();
};

TEST_F(X11WindowTest, IsFoundByIdTitleAndClass) {
  X11TestWindow window(xvfb_.display(), {.title = "Mozilla Firefox", .class_name = "Navigator"});
  X11TestWindow other(xvfb_.display(), {.place = {0, 0, 90, 80}, .title = "xterm", .class_name = "XTerm"});
  for (const std::string& source :
       {window.source(), std::string("window:title=Firefox$"), std::string("window:class=Navigator")}) {
    BoundSource bound(open(source), kSlots);
    EXPECT_EQ(bound.geometry(), (Geometry{300, 200, PixelFormat::kBgrx8888}));
    bound.capture(0);
    EXPECT_EQ(wrong_pixels(bound, window), 0u) << source;
  }
}

TEST_F(X11WindowTest, WhatIsNotThereOrNotClearIsToldWithWhatThereIs) {
  X11TestWindow first(xvfb_.display(), {.title = "notes - editor"});
  X11TestWindow second(xvfb_.display(), {.title = "mail - editor"});
  const auto refusal = [&](const std::string& source, ErrorCode code) {
    const auto opened = try_open(source);
    EXPECT_FALSE(opened) << source;
    if (opened) return std::string();
    EXPECT_EQ(opened.error().code, code) << opened.error().text();
    return opened.error().text();
  };
  EXPECT_THAT(refusal("window:title=Firefox", ErrorCode::kNotFound),
              AllOf(HasSubstr("notes - editor"), HasSubstr("mail - editor"), HasSubstr("0x")));
  EXPECT_THAT(refusal("window:class=Firefox", ErrorCode::kNotFound), HasSubstr("the class Firefox"));
  EXPECT_THAT(refusal("window:0x12345", ErrorCode::kNotFound), HasSubstr("the id 0x12345"));
  EXPECT_THAT(refusal("window:title=editor", ErrorCode::kInvalidArgument),
              AllOf(HasSubstr("2 windows have such a title"), HasSubstr("notes - editor"),
                    HasSubstr(second.source())))
      << "the topmost is named first";
  second.destroy();
  EXPECT_TRUE(try_open("window:title=editor"));
  first.unmap();
  EXPECT_THAT(refusal(first.source(), ErrorCode::kUnavailable), HasSubstr("is not shown"));
}

TEST_F(X11WindowTest, ShowsItselfWhereItIsCoveredOrOutsideTheDesktop) {
  X11TestWindow window(xvfb_.display());
  X11TestWindow cover(xvfb_.display(), {.place = {0, 0, 800, 600}, .title = "cover"});
  BoundSource bound(open(window.source()), kSlots);
  std::mt19937 random(testing::random_seed());
  const std::pair<int16_t, int16_t> places[] = {{20, 30}, {-150, -100}, {700, 550}, {2000, 2000}, {-1000, 5}};
  uint32_t slot = 0;
  for (const auto& [x, y] : places) {
    window.move(x, y);
    for (int i = 0; i < 4; ++i) {
      window.draw_random(random);
      window.sync();
      cover.fill({0, 0, 800, 600}, static_cast<uint32_t>(random()));
      EXPECT_FALSE(follow(bound).geometry) << "a move is no new picture";
      bound.capture(slot = (slot + 1) % kSlots);
      ASSERT_EQ(wrong_pixels(bound, window, slot), 0u) << "at " << x << "," << y;
    }
  }
}

TEST_F(X11WindowTest, DrawingBesideItIsNoChangeOfIt) {
  X11TestWindow window(xvfb_.display());
  X11TestWindow other(xvfb_.display(), {.place = {400, 300, 100, 100}, .title = "other"});
  BoundSource bound(open(window.source()), kSlots);
  bound.capture(0);
  follow(bound);
  other.fill({0, 0, 100, 100}, 0x123456);
  EXPECT_FALSE(bound.readable(100));
  EXPECT_FALSE(bound.poll().changed);
  window.fill({0, 0, 10, 10}, 0x123456);
  EXPECT_TRUE(bound.readable(5000));
  EXPECT_TRUE(bound.poll().changed);
  EXPECT_EQ(bound.capture(1).damage.bounds(), (DamageRect{0, 0, 10, 10}));
}

TEST_F(X11WindowTest, UnmappedItIsStaleWithItsLastContentAndLivesAgainOnceMapped) {
  X11TestWindow window(xvfb_.display());
  BoundSource bound(open(window.source()), kSlots);
  window.fill({50, 50, 20, 20}, 0xabcdef);
  const auto last = window.grab();
  EXPECT_FALSE(follow(bound).stale);
  window.unmap();
  ASSERT_TRUE(bound.readable(5000));
  EXPECT_TRUE(follow(bound).stale);
  bound.capture(1);
  EXPECT_EQ(differing_pixels(bound.geometry(), bound.pixels(1), last), 0u);

  window.map();
  window.fill({0, 0, 30, 30}, 0x00ff00);
  ASSERT_TRUE(bound.readable(5000));
  const SourceEvents events = follow(bound);
  EXPECT_FALSE(events.stale);
  EXPECT_TRUE(events.geometry);
  bound.capture(0);
  EXPECT_EQ(wrong_pixels(bound, window), 0u);
}

TEST_F(X11WindowTest, DestroyedItIsGoneByName) {
  X11TestWindow window(xvfb_.display(), {.title = "short-lived"});
  BoundSource bound(open(window.source()), kSlots);
  bound.capture(0);
  bound.poll();
  window.destroy();
  ASSERT_TRUE(bound.readable(5000));
  const auto events = bound.source().poll();
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(events.error().message, AllOf(HasSubstr("short-lived"), HasSubstr("was closed")));
  EXPECT_FALSE(bound.source().capture(1, Source::Request::kChanged));
}

TEST_F(X11WindowTest, AlphaIsKeptUnderANameOfItsOwn) {
  X11TestWindow window(xvfb_.display(), {.depth = 32});
  BoundSource bound(open(window.source()), kSlots);
  EXPECT_EQ(bound.geometry().format, PixelFormat::kBgra8888);
  window.fill({0, 0, 300, 200}, 0x40102030);
  bound.capture(0);
  const std::byte* pixel = bound.pixels(0).data();
  EXPECT_EQ(pixel[0], std::byte{0x30});
  EXPECT_EQ(pixel[1], std::byte{0x20});
  EXPECT_EQ(pixel[2], std::byte{0x10});
  EXPECT_EQ(pixel[3], std::byte{0x40});
}

TEST_F(X11WindowTest, TheActiveOneFollowsTheFocus) {
  X11TestWindow first(xvfb_.display(), {.title = "first"});
  X11TestWindow second(xvfb_.display(), {.place = {10, 10, 300, 200}, .title = "second"});
  X11TestWindow third(xvfb_.display(), {.place = {10, 10, 123, 77}, .title = "third"});
  std::mt19937 random(7);
  first.focus();
  BoundSource bound(open("window:active"), kSlots);
  for (X11TestWindow* window : {&second, &third, &first, &second}) {
    window->focus();
    window->draw_random(random);
    window->sync();
    ASSERT_TRUE(bound.readable(5000));
    EXPECT_TRUE(follow(bound).geometry);
    bound.capture(1);
    ASSERT_EQ(wrong_pixels(bound, *window, 1), 0u);
  }
}

TEST_F(X11WindowTest, TwoSourcesOfOneWindowDoNotDisturbEachOther) {
  X11TestWindow window(xvfb_.display());
  auto first = std::make_unique<BoundSource>(open(window.source()), kSlots);
  BoundSource second(open("window:title=test"), kSlots);
  window.fill({5, 5, 50, 50}, 0x112233);
  first->capture(0);
  second.capture(0);
  first.reset();
  window.fill({7, 7, 50, 50}, 0x445566);
  ASSERT_TRUE(second.readable(5000));
  second.capture(1);
  EXPECT_EQ(wrong_pixels(second, window, 1), 0u);
}

// A model of what is to be seen, kept by another client, after each of many operations.
TEST_F(X11WindowTest, RandomOperationsNeverGiveAWrongPixel) {
  const uint32_t seed = testing::random_seed();
  std::mt19937 random(seed);
  X11TestWindow window(xvfb_.display(), {.border = 2});
  X11TestWindow other(xvfb_.display(), {.place = {100, 100, 400, 300}, .title = "other"});
  BoundSource bound(open(window.source()), kSlots);
  bool mapped = true;
  std::vector<std::byte> model = window.grab();
  for (int i = 0; i < 1000; ++i) {
    switch (random() % 8) {
      case 0:
        window.move(static_cast<int16_t>(static_cast<int>(random() % 1200) - 300),
                    static_cast<int16_t>(static_cast<int>(random() % 900) - 200));
        break;
      case 1:
        if (mapped)
          window.resize(static_cast<uint16_t>(1 + random() % 500), static_cast<uint16_t>(1 + random() % 400));
        break;
      case 2:
        random() % 2 ? window.raise() : other.raise();
        break;
      case 3:
        if (random() % 3 == 0) {
          mapped ? window.unmap() : window.map();
          mapped = !mapped;
        }
        break;
      default:
        if (mapped) window.draw_random(random);
        other.draw_random(random);
        window.sync();
        other.sync();
    }
    if (mapped) model = window.grab();
    const SourceEvents events = follow(bound);
    ASSERT_EQ(events.stale, !mapped) << "seed " << seed << ", operation " << i;
    const auto slot = static_cast<uint32_t>(random() % kSlots);
    bound.capture(slot);
    ASSERT_EQ(differing_pixels(bound.geometry(), bound.pixels(slot), model), 0u)
        << "seed " << seed << ", operation " << i;
  }
}

TEST_F(X11WindowTest, OneThatCannotBeRedirectedIsToldByNameWithTheServersReason) {
  X11TestWindow window(xvfb_.display(), {.title = "unwilling"});
  const testing::X11RefusingProxy proxy(xvfb_.display(), "Composite", XCB_COMPOSITE_REDIRECT_WINDOW);
  const auto opened = open_x11_window({proxy.display(), WindowId{window.id()}});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(opened.error().text(),
              AllOf(HasSubstr(window.source().substr(7) + " \"unwilling\""),
                    HasSubstr("cannot be redirected: "), HasSubstr("refused request")));
}

TEST_F(X11WindowTest, WithoutCompositeWhatStillWorksIsTold) {
  const Xvfb plain{{.screen = "320x200x24", .arguments = {"-extension", "Composite"}}};
  const auto opened = open_x11_window({plain.display(), WindowId{0x12345}});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(opened.error().text(), AllOf(HasSubstr("lacks the extension Composite"), HasSubstr("screen")));
  EXPECT_TRUE(open_x11_source({.display = plain.display()}));
}

}  // namespace
}  // namespace framering::daemon
