#include "daemon/capture/x11_source.h"

#include <optional>
#include <utility>
#include <vector>

#include "daemon/capture/x11_connection.h"
#include "daemon/capture/x11_copier.h"
#include "daemon/capture/x11_cursor.h"
#include "daemon/capture/x11_damage.h"
#include "daemon/capture/x11_format.h"
#include "daemon/capture/x11_watch.h"

namespace framering::daemon {

using proto::Error;
using proto::ErrorCode;
using proto::Ok;
using proto::Result;
using proto::Status;

namespace {

class X11Source final : public Source {
 public:
  X11Source(std::unique_ptr<X11Connection> connection, PixelFormat format, const X11Options& options)
      : connection_(std::move(connection)),
        format_(format),
        copy_method_(options.copy_method),
        watch_(*connection_),
        damage_(*connection_),
        cursor_(*connection_) {
    if (options.embed_cursor) embedded_.emplace();
  }

  Result<Geometry> geometry() override;
  Status bind(const Geometry& geometry, std::span<const Surface> surfaces) override;
  int event_fd() const override { return connection_->fd(); }
  Result<SourceEvents> poll() override;
  Status sync() override;
  Result<std::optional<Cursor>> cursor() override;
  bool has_cursor() const override { return !embedded_; }
  bool paints_cursor() const override { return embedded_.has_value(); }
  Result<CaptureInfo> capture(size_t surface, Request request) override;
  uint64_t round_trips() const override { return connection_->round_trips(); }
  // Drawing that bypasses the server's damage, such as a GPU's own, is seen by whole frames only.
  bool wants_safety_frames() const override { return true; }
  void interrupt() override { connection_->interrupt(); }

 private:
  Result<std::unique_ptr<X11Copier>> make_copier(const Geometry& geometry, std::span<const Surface> surfaces);
  // Notes what the events say and keeps it for poll().
  Status take_events();
  Status embed_cursor(size_t surface, Damage& changed);

  const std::unique_ptr<X11Connection> connection_;
  const PixelFormat format_;
  const X11CopyMethod copy_method_;
  X11Watch watch_;
  X11Damage damage_;
  X11Cursor cursor_;
  std::optional<X11EmbeddedCursor> embedded_;
  std::unique_ptr<X11Copier> copier_;
  std::vector<Surface> surfaces_;
  Geometry geometry_;  // as bound
  X11Size bound_;
  bool resized_ = false;         // since the last poll(), if only for a moment
  bool surfaces_stale_ = false;  // what they hold is no base for a partial copy
};

Result<Geometry> X11Source::geometry() {
  const auto size = watch_.settled_size();
  if (!size) return size.error();
  return Geometry{size->width, size->height, format_};
}

Status X11Source::bind(const Geometry& geometry, std::span<const Surface> surfaces) {
  if (geometry.format != format_) {
    return Error{ErrorCode::kInvalidArgument, "the X server has another pixel format", {}};
  }
  // MIT-SHM has 32-bit offsets.
  if (surfaces.back().offset + surfaces.back().bytes > UINT32_MAX) {
    return Error{ErrorCode::kInvalidArgument, "an X server can write to the first 4 GiB of a ring only",
                 "use fewer slots"};
  }
  auto copier = make_copier(geometry, surfaces);
  if (!copier) return copier.error();
  copier_ = *std::move(copier);
  surfaces_.assign(surfaces.begin(), surfaces.end());
  geometry_ = geometry;
  if (embedded_) embedded_->forget();
  bound_ = {static_cast<uint16_t>(geometry.width), static_cast<uint16_t>(geometry.height)};
  surfaces_stale_ = true;
  return Ok{};
}

Result<std::unique_ptr<X11Copier>> X11Source::make_copier(const Geometry& geometry,
                                                          std::span<const Surface> surfaces) {
  if (copy_method_ != X11CopyMethod::kBands) {
    auto copier = make_x11_pixmap_copier(*connection_, damage_, geometry, surfaces);
    if (copier || copy_method_ == X11CopyMethod::kPixmaps || connection_->lost()) return copier;
  }
  return make_x11_band_copier(*connection_, damage_, geometry, surfaces);
}

Result<SourceEvents> X11Source::poll() {
  if (auto taken = take_events(); !taken) return taken.error();
  const bool moved = embedded_ && embedded_->must_repaint();
  return SourceEvents{.changed = watch_.drawn() || moved,
                      .geometry = std::exchange(resized_, false) || watch_.size() != bound_};
}

// One pixel is asked for, and not less: looking at the root makes the server bring what was drawn to
// redirected windows onto it, which damages it, before the reply.
Status X11Source::sync() {
  const auto cookie =
      xcb_get_image(connection_->xcb(), XCB_IMAGE_FORMAT_Z_PIXMAP, connection_->root(), 0, 0, 1, 1, ~0u);
  const XcbPtr<xcb_get_image_reply_t> reply(xcb_get_image_reply(connection_->xcb(), cookie, nullptr));
  if (!reply) return connection_->gone();
  return Ok{};
}

Status X11Source::take_events() {
  if (auto taken = watch_.take_events(); !taken) return taken;
  if (watch_.resized()) resized_ = surfaces_stale_ = true;
  if (watch_.cursor_changed()) cursor_.picture_changed();
  return Ok{};
}

Result<std::optional<Cursor>> X11Source::cursor() {
  auto now = cursor_.query(geometry_, 0, 0);
  if (!now) return now.error();
  if (!embedded_) return std::optional<Cursor>(*std::move(now));
  embedded_->look(*now);
  return std::optional<Cursor>();
}

Status X11Source::embed_cursor(size_t surface, Damage& changed) {
  const auto now = cursor_.query(geometry_, 0, 0);
  if (!now) return now.error();
  const DamageRect rect = embedded_->paint(*now, geometry_, surfaces_[surface], changed);
  copier_->painted_over(surface, rect);
  return Ok{};
}

Result<CaptureInfo> X11Source::capture(size_t surface, Request request) {
  CaptureInfo info;
  info.requested_ns = now_ns();
  const bool everything = request == Request::kFull || surfaces_stale_;
  Status copied = copier_->copy(surface, everything, info.damage);
  if (copied && embedded_) copied = embed_cursor(surface, info.damage);
  info.done_ns = now_ns();
  // Copying beyond the edge of a root that has become smaller is no error and copies nothing. The events up
  // to the copy are here by now.
  if (auto taken = take_events(); !taken) return taken.error();
  if (resized_ || watch_.size() != bound_) {
    surfaces_stale_ = true;
    return Error{ErrorCode::kInvalidArgument, "the X server's screen has changed its size", {}};
  }
  if (!copied) return copied.error();
  surfaces_stale_ = false;
  return info;
}

}  // namespace

Result<std::unique_ptr<Source>> open_x11_source(const X11Options& options) {
  auto connection = X11Connection::open(options.display);
  if (!connection) return connection.error();
  const auto format = x11_pixel_format((*connection)->setup(), (*connection)->screen());
  if (!format) return format.error();
  return std::unique_ptr<Source>(std::make_unique<X11Source>(*std::move(connection), *format, options));
}

}  // namespace framering::daemon
