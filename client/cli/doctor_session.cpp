#include "client/cli/doctor_session.h"

#include <cstdlib>
#include <string>

namespace framering::cli {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Check check_session() {
  const std::string type = variable("XDG_SESSION_TYPE"), display = variable("DISPLAY");
  Check check{.name = "session", .found = type.empty() ? "of no type" : type};
  if (type == "wayland" || !variable("WAYLAND_DISPLAY").empty()) {
    check.verdict = Verdict::kWarning;
    check.found = "wayland";
    check.fix =
        "what Xwayland shows can be captured, the desktop cannot: log in to an X11 session for that, or run "
        "a virtual "
        "X server (Xvfb)";
  } else if (type == "x11") {
    check.found += display.empty() ? ", but DISPLAY is not set" : ", DISPLAY " + display;
  }
  return check;
}

}  // namespace framering::cli
