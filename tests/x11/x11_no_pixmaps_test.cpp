// An X server that passes descriptors but shares no pixmaps, as one whose pixmaps are in video memory.
#include <gtest/gtest.h>
#include <xcb/shm.h>

#include <random>
#include <utility>

#include "daemon/capture/x11_source.h"
#include "tests/support/bound_source.h"
#include "tests/support/x11_desktop.h"
#include "tests/support/x11_refusing_proxy.h"
#include "tests/support/xvfb.h"

namespace framering::daemon {
namespace {

using testing::BoundSource;
using testing::X11Desktop;
using testing::X11RefusingProxy;
using testing::Xvfb;

TEST(X11WithoutSharedPixmaps, FramesComeInBandsByThemselvesAndAreRight) {
  const Xvfb server({.screen = "333x217x24"});
  std::mt19937 random(20);
  X11Desktop desktop(server.display());
  desktop.open_windows(random);
  const X11RefusingProxy proxy(server.display(), "MIT-SHM", XCB_SHM_CREATE_PIXMAP);
  {
    auto source = open_x11_source({.display = proxy.display()});
    ASSERT_TRUE(source) << source.error().text();
    const BoundSource bound(*std::move(source), 3);
    EXPECT_EQ(proxy.requests(XCB_SHM_CREATE_PIXMAP), 1);
    EXPECT_EQ(proxy.requests(XCB_SHM_GET_IMAGE), 0);
    for (uint32_t round = 0; round < 20; ++round) {
      for (int i = 0; i < 3; ++i) desktop.draw_random(random);
      desktop.sync();
      bound.capture(round % 3);
      EXPECT_EQ(testing::differing_pixels(bound.geometry(), bound.pixels(round % 3), desktop.grab()), 0u);
    }
    EXPECT_GE(proxy.requests(XCB_SHM_GET_IMAGE), 3) << "each surface at least once";
  }
}

}  // namespace
}  // namespace framering::daemon
