#include <poll.h>

#include <cstring>
#include <stdexcept>

#include "daemon/capture/test_pattern.h"
#include "daemon/capture/test_source.h"
#include "daemon/capture/x11_source.h"
#include "daemon/capture/x11_window.h"
#include "tests/conformance/source_conformance.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_pointer.h"
#include "tests/support/x11_window.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

template <class T>
T must(proto::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

class TestSourceRig final : public SourceRig {
 public:
  std::unique_ptr<Source> open() override { return must(open_test_source({{320, 200}, /*fps=*/5})); }
  void change(Source& source) override {
    pollfd fd{source.event_fd(), POLLIN, 0};
    ::poll(&fd, 1, -1);
  }
  // The pattern of the number that the frame carries.
  std::vector<std::byte> truth(const Geometry& geometry, std::span<const std::byte> frame) override {
    std::vector<std::byte> painted(geometry.frame_bytes());
    const auto number = read_barcode(frame, geometry, {0, 0, 8, 1});
    if (number) paint_test_pattern(*number, geometry, painted);
    return painted;
  }
};

using X11Part = decltype(X11Options::part);

// The whole desktop, by itself or as its only monitor, or a region that reaches to its lower right corner.
class X11Rig final : public PeerRig {
 public:
  X11Rig(X11CopyMethod method, const X11Part& part) : method_(method), part_(part) {
    if (const auto* region = std::get_if<RegionName>(&part)) {
      left_ = static_cast<uint16_t>(region->x);
      top_ = static_cast<uint16_t>(region->y);
    }
    desktop_.open_windows(random_);
  }

  std::unique_ptr<Source> open() override { return must(open_x11_source({xvfb_.display(), method_, part_})); }
  void change(Source&) override {
    for (int i = 0; i < 5; ++i) desktop_.draw_random(random_);
    // Surely visible, and another colour each time.
    desktop_.fill({static_cast<int16_t>(left_), static_cast<int16_t>(top_), 9, 9}, color_ += 0x010203);
    desktop_.sync();
  }
  std::vector<std::byte> truth(const Geometry& geometry, std::span<const std::byte>) override {
    const std::vector<std::byte> all = desktop_.grab();
    const size_t stride = size_t{desktop_.width()} * 4;
    std::vector<std::byte> part(geometry.frame_bytes());
    for (size_t y = 0; y < geometry.height; ++y) {
      std::memcpy(part.data() + y * geometry.stride(), all.data() + (top_ + y) * stride + size_t{left_} * 4,
                  geometry.stride());
    }
    return part;
  }
  void resize(uint32_t width, uint32_t height) override {
    desktop_.resize(static_cast<uint16_t>(left_ + width), static_cast<uint16_t>(top_ + height));
  }
  void hang() override { xvfb_.stop_responding(); }
  void kill() override { xvfb_.kill(); }
  std::string name() const override { return "X server at " + xvfb_.display(); }

 private:
  const X11CopyMethod method_;
  const X11Part part_;
  uint16_t left_ = 0;
  uint16_t top_ = 0;
  testing::Xvfb xvfb_{{.screen = "800x600x24"}};
  testing::X11Desktop desktop_{xvfb_.display()};
  std::mt19937 random_{20240917};
  uint32_t color_ = 0;
};

// A window that another one covers in part, and that reaches beyond the desktop.
class X11WindowRig final : public PeerRig {
 public:
  enum class By { kId, kFocus };

  X11WindowRig(X11CopyMethod method, uint8_t depth, uint16_t border, By by)
      : method_(method),
        window_(xvfb_.display(), {.place = {700, 450, 400, 300}, .depth = depth, .border = border}) {
    if (by == By::kFocus) window_.focus();
    name_ = by == By::kFocus ? X11WindowName(ActiveWindow{}) : WindowId{window_.id()};
  }

  std::unique_ptr<Source> open() override { return must(open_x11_window({xvfb_.display(), name_, method_})); }
  void change(Source&) override {
    for (int i = 0; i < 5; ++i) window_.draw_random(random_);
    window_.fill({0, 0, 9, 9}, color_ += 0x01010203);
  }
  std::vector<std::byte> truth(const Geometry&, std::span<const std::byte>) override {
    return window_.grab();
  }
  void resize(uint32_t width, uint32_t height) override {
    window_.resize(static_cast<uint16_t>(width), static_cast<uint16_t>(height));
  }
  void hang() override { xvfb_.stop_responding(); }
  void kill() override { xvfb_.kill(); }
  std::string name() const override { return "X server at " + xvfb_.display(); }

 private:
  const X11CopyMethod method_;
  X11WindowName name_;
  testing::Xvfb xvfb_{{.screen = "800x600x24"}};
  testing::X11TestWindow window_;
  testing::X11TestWindow cover_{xvfb_.display(), {.place = {650, 400, 100, 100}}};
  std::mt19937 random_{20240917};
  uint32_t color_ = 0;
};

// The same with the pointer in its frames.
class X11PointerRig final : public SourceRig {
 public:
  explicit X11PointerRig(X11CopyMethod method) : method_(method) {
    desktop_.open_windows(random_);
    pointer_.show(testing::random_picture(random_, 21, 27));
  }

  std::unique_ptr<Source> open() override {
    return must(open_x11_source({.display = xvfb_.display(), .copy_method = method_, .embed_cursor = true}));
  }
  void change(Source&) override {
    desktop_.draw_random(random_);
    desktop_.fill({0, 0, 9, 9}, color_ += 0x010203);
    desktop_.sync();
    // Partly outside, too.
    if (random_() % 2 == 0) {
      pointer_.move(static_cast<int16_t>(random_() % 400), static_cast<int16_t>(random_() % 300));
    }
    if (random_() % 4 == 0) pointer_.show(testing::random_picture(random_, 40, 18));
  }
  std::vector<std::byte> truth(const Geometry&, std::span<const std::byte>) override {
    return pointer_.composed();
  }

 private:
  const X11CopyMethod method_;
  testing::Xvfb xvfb_{{.screen = "400x300x24"}};
  testing::X11Desktop desktop_{xvfb_.display()};
  testing::X11Pointer pointer_{xvfb_.display()};
  std::mt19937 random_{20240918};
  uint32_t color_ = 0;
};

template <class Rig>
RigCase<Rig> x11(const char* name, X11CopyMethod method, const X11Part& part = ScreenName{}) {
  return {name, [=] { return std::make_unique<X11Rig>(method, part); }};
}
template <class Rig>
RigCase<Rig> window(const char* name, X11CopyMethod method, uint8_t depth, uint16_t border,
                    X11WindowRig::By by = X11WindowRig::By::kId) {
  return {name, [=] { return std::make_unique<X11WindowRig>(method, depth, border, by); }};
}

constexpr RegionName kRegion{131, 57, 2000, 2000};

INSTANTIATE_TEST_SUITE_P(
    Sources, SourceConformance,
    ::testing::Values(
        x11<SourceRig>("x11_pixmaps", X11CopyMethod::kPixmaps),
        x11<SourceRig>("x11_bands", X11CopyMethod::kBands),
        x11<SourceRig>("region_pixmaps", X11CopyMethod::kPixmaps, kRegion),
        x11<SourceRig>("region_bands", X11CopyMethod::kBands, kRegion),
        x11<SourceRig>("monitor_pixmaps", X11CopyMethod::kPixmaps, MonitorName{{}, 1}),
        window<SourceRig>("window_pixmaps", X11CopyMethod::kPixmaps, 24, 0),
        window<SourceRig>("window_bands", X11CopyMethod::kBands, 24, 3),
        window<SourceRig>("window_alpha", X11CopyMethod::kPixmaps, 32, 2),
        window<SourceRig>("window_active", X11CopyMethod::kPixmaps, 24, 0, X11WindowRig::By::kFocus),
        RigCase<SourceRig>{"x11_pixmaps_with_pointer",
                           [] { return std::make_unique<X11PointerRig>(X11CopyMethod::kPixmaps); }},
        RigCase<SourceRig>{"x11_bands_with_pointer",
                           [] { return std::make_unique<X11PointerRig>(X11CopyMethod::kBands); }},
        RigCase<SourceRig>{"test", [] { return std::make_unique<TestSourceRig>(); }}),
    kRigName);
INSTANTIATE_TEST_SUITE_P(Sources, PeerSourceConformance,
                         ::testing::Values(x11<PeerRig>("x11_pixmaps", X11CopyMethod::kPixmaps),
                                           x11<PeerRig>("x11_bands", X11CopyMethod::kBands),
                                           x11<PeerRig>("region_pixmaps", X11CopyMethod::kPixmaps, kRegion),
                                           window<PeerRig>("window_pixmaps", X11CopyMethod::kPixmaps, 24, 3),
                                           window<PeerRig>("window_alpha", X11CopyMethod::kPixmaps, 32, 0)),
                         kRigName);

}  // namespace
}  // namespace framering::daemon
