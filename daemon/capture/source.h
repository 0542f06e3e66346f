// Where pixels come from. A source writes straight into the surfaces of a pool and knows nothing else of it.
// The pump drives it from one thread; interrupt() alone may be called from another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "daemon/cursor.h"
#include "daemon/frame.h"
#include "daemon/surface.h"
#include "proto/result.h"
#include "proto/shm_layout.h"

namespace framering::daemon {

struct SourceEvents {
  bool changed = false;   // there may be something new to capture
  bool geometry = false;  // geometry() may differ from the bound one: the pump starts a new epoch if it does
  bool moved = false;     // position() may be another
  bool stale = false;     // what is captured now is what was last shown, such as of a window that is hidden
  bool blanked = false;   // the screens are dark, so that people do not see what is captured
};

class Source {
 public:
  virtual ~Source() = default;

  // Queries the source; kUnavailable when it is gone.
  virtual proto::Result<Geometry> geometry() = 0;

  // Makes the surfaces known for frames of this geometry, before the pool is sealed. Replaces an earlier
  // binding; all surfaces then count as holding nothing.
  virtual proto::Status bind(const Geometry& geometry, std::span<const Surface> surfaces) = 0;

  // Readable when poll() may have news. Level-triggered; stays the same while the source lives. Wait on it
  // only after poll(): other calls may take news in, which poll() then tells.
  virtual int event_fd() const = 0;

  // Takes in all that happened, without blocking. kUnavailable when the source is gone; its text is what
  // clients read.
  virtual proto::Result<SourceEvents> poll() = 0;

  // Returns once the next poll() tells of all that had changed before the call: one round trip to the server
  // that tells of changes. kUnavailable when the source is gone.
  virtual proto::Status sync() { return proto::Ok{}; }

  // Where the first pixel is on the desktop, of a source that moves without a new geometry; nothing where the
  // geometry says it. One round trip. kUnavailable when the source is gone.
  virtual proto::Result<std::optional<proto::DesktopPoint>> position() {
    return std::optional<proto::DesktopPoint>();
  }

  // Where the pointer is now and what it looks like; nothing for a source that has none, or that paints it
  // into its frames: that then asks for a capture by poll(), if the last one shows it otherwise. One round
  // trip. kUnavailable when the source is gone.
  virtual proto::Result<std::optional<Cursor>> cursor() { return std::optional<Cursor>(); }
  virtual bool has_cursor() const { return false; }     // cursor() tells of one
  virtual bool paints_cursor() const { return false; }  // into its frames: cursor() has to be called

  enum class Request {
    kChanged,  // what changed since this surface was last written; nothing changed at all: damage comes back
               // empty
    kFull,     // every pixel, whatever is known of changes
  };

  // Brings the surface up to date and waits until its pixels are complete. kInvalidArgument if the geometry
  // changed meanwhile (the surface then holds no frame; poll() reports it), kUnavailable when the source is
  // gone.
  virtual proto::Result<CaptureInfo> capture(size_t surface, Request request) = 0;

  // How often it has waited for the answer of a server so far.
  virtual uint64_t round_trips() const { return 0; }

  // True where changes can be missed, so that the pump adds a full capture every few seconds of activity.
  virtual bool wants_safety_frames() const = 0;

  // Any thread. Ends a call that hangs on an unresponsive peer; the source reports itself gone afterwards.
  virtual void interrupt() = 0;
};

}  // namespace framering::daemon
