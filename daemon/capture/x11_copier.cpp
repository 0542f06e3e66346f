#include "daemon/capture/x11_copier.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Result;

Result<std::unique_ptr<X11Copier>> make_x11_copier(X11CopyMethod method, const X11Caller& caller,
                                                   X11Damage& damage, const X11Picture& picture,
                                                   uint32_t stride, std::span<const Surface> surfaces) {
  // MIT-SHM has 32-bit offsets.
  if (surfaces.back().offset + surfaces.back().bytes > UINT32_MAX) {
    return Error{ErrorCode::kInvalidArgument, "an X server can write to the first 4 GiB of a ring only",
                 "use fewer slots"};
  }
  if (method != X11CopyMethod::kBands) {
    auto copier = make_x11_pixmap_copier(caller, damage, picture, surfaces);
    if (copier || method == X11CopyMethod::kPixmaps || caller.has_ended()) return copier;
  }
  return make_x11_band_copier(caller, damage, picture, stride, surfaces);
}

}  // namespace framering::daemon
