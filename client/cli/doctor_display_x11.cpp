#include <sys/mman.h>
#include <unistd.h>
#include <xcb/damage.h>
#include <xcb/shm.h>
#include <xcb/xcb.h>
#include <xcb/xfixes.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "client/cli/doctor.h"
#include "client/cli/doctor_session.h"
#include "proto/unique_fd.h"

namespace framering::cli {

namespace {

constexpr uint32_t kSegmentBytes = 16 * 16 * 4;

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Reply = std::unique_ptr<T, FreeDeleter>;

class XServer {
 public:
  XServer() : xcb_(xcb_connect(nullptr, nullptr)) {}
  ~XServer() { xcb_disconnect(xcb_); }
  XServer(const XServer&) = delete;
  XServer& operator=(const XServer&) = delete;

  xcb_connection_t* get() const { return xcb_; }
  bool is_there() const { return xcb_connection_has_error(xcb_) == 0; }
  bool has(xcb_extension_t* extension) const {
    const auto* data = xcb_get_extension_data(xcb_, extension);
    return data && data->present;
  }
  const xcb_screen_t& screen() const { return *xcb_setup_roots_iterator(xcb_get_setup(xcb_)).data; }

 private:
  xcb_connection_t* xcb_;
};

Check check_access(const XServer& server, const std::string& display) {
  Check check{.name = "display", .found = display};
  if (server.is_there()) {
    const xcb_setup_t* setup = xcb_get_setup(server.get());
    check.found += ": " + std::to_string(server.screen().width_in_pixels) + "x" +
                   std::to_string(server.screen().height_in_pixels) + ", depth " +
                   std::to_string(server.screen().root_depth) + ", " +
                   std::string(xcb_setup_vendor(setup), static_cast<size_t>(xcb_setup_vendor_length(setup)));
  } else {
    check.verdict = Verdict::kBroken;
    check.found += ": cannot be connected to";
    check.fix =
        "is it running, and does XAUTHORITY name a file with its cookie? try: xdpyinfo -display " + display;
  }
  return check;
}

Check check_extensions(const XServer& server) {
  Check check{.name = "extensions"};
  std::string missing;
  for (const auto& [extension, name] :
       {std::pair(&xcb_shm_id, "MIT-SHM"), std::pair(&xcb_damage_id, "DAMAGE"),
        std::pair(&xcb_xfixes_id, "XFIXES")}) {
    if (!server.has(extension)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  if (missing.empty()) {
    check.found = "MIT-SHM, DAMAGE, XFIXES";
  } else {
    check.verdict = Verdict::kBroken;
    check.found = "the X server lacks " + missing;
    check.fix = "enable these extensions in its configuration";
  }
  return check;
}

// Both are really tried: what a server says of itself is not always so.
std::vector<Check> check_memory_passing(const XServer& server) {
  Check passing{.name = "shm fd"}, pixmaps{.name = "shm pixmaps"};
  xcb_connection_t* xcb = server.get();
  const Reply<xcb_shm_query_version_reply_t> version(
      xcb_shm_query_version_reply(xcb, xcb_shm_query_version(xcb), nullptr));
  const proto::UniqueFd memory(memfd_create("framering-doctor", MFD_CLOEXEC));
  if (!version || !memory || ftruncate(memory.get(), kSegmentBytes) != 0) {
    passing = {.name = "shm fd",
               .verdict = Verdict::kBroken,
               .found = "cannot be tried",
               .fix = "see the lines above"};
    return {passing};
  }
  const xcb_shm_seg_t segment = xcb_generate_id(xcb);
  // xcb closes the descriptor that it sends.
  const Reply<xcb_generic_error_t> refused(
      xcb_request_check(xcb, xcb_shm_attach_fd_checked(xcb, segment, dup(memory.get()), 0)));
  if (refused || !server.is_there()) {
    passing.verdict = Verdict::kBroken;
    passing.found = "the X server takes no memory by descriptor";
    passing.fix = "a local X server with MIT-SHM 1.2 is needed (X.Org, Xvfb, Xwayland of the last ten years)";
    return {passing};
  }
  passing.found = "the X server takes memory by descriptor";
  const xcb_pixmap_t pixmap = xcb_generate_id(xcb);
  const Reply<xcb_generic_error_t> failed(
      xcb_request_check(xcb, xcb_shm_create_pixmap_checked(xcb, pixmap, server.screen().root, 16, 16,
                                                           server.screen().root_depth, segment, 0)));
  if (failed || !version->shared_pixmaps) {
    pixmaps.verdict = Verdict::kWarning;
    pixmaps.found = "off: changed rows are captured in full width";
    pixmaps.fix = "NVIDIA's X server: Option \"AllowSHMPixmaps\" \"true\" in the Device section of xorg.conf";
  } else {
    pixmaps.found = "on: only what changed is captured";
    xcb_free_pixmap(xcb, pixmap);
  }
  xcb_shm_detach(xcb, segment);
  xcb_flush(xcb);
  return {passing, pixmaps};
}

}  // namespace

std::vector<Check> check_display() {
  std::vector<Check> checks{check_session()};
  const char* display = std::getenv("DISPLAY");
  if (!display || !*display) {
    checks.push_back({.name = "display", .found = "DISPLAY is not set: no X server was looked at"});
    return checks;
  }
  const XServer server;
  checks.push_back(check_access(server, display));
  if (!server.is_there()) return checks;
  checks.push_back(check_extensions(server));
  if (checks.back().verdict != Verdict::kOk) return checks;
  for (Check& check : check_memory_passing(server)) checks.push_back(std::move(check));
  return checks;
}

}  // namespace framering::cli
