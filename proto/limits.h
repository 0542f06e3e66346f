// Every limit that both ends must agree on. Arithmetic on geometry is checked against these before use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace framering::proto {

inline constexpr uint32_t kMinSlots = 3;  // latest, the one being written, one leased
inline constexpr uint32_t kDefaultSlots = 6;
inline constexpr uint32_t kMaxSlots = 64;

inline constexpr uint32_t kDefaultLeases = 2;
inline constexpr uint32_t kMaxLeases = 16;  // per attached stream
inline constexpr uint32_t kDefaultLeaseMs = 1000;
inline constexpr uint32_t kMinLeaseMs = 10;
inline constexpr uint32_t kMaxLeaseMs = 60000;

inline constexpr uint32_t kMaxDamageRects = 64;
inline constexpr uint32_t kDamageHistory = 64;    // frames, of which a skipped one's damage is known
inline constexpr uint32_t kMaxHistoryRects = 30;  // of each of them; more become their bounding box
inline constexpr uint32_t kCursorShapes = 4;      // the newest, of a source that has a pointer
inline constexpr uint32_t kMaxCursorSize = 128;   // pixels; more is cut off around the hot spot
inline constexpr uint32_t kMaxDimension = 32767;  // pixels; X11 coordinates are signed 16-bit
inline constexpr uint64_t kMaxRegionBytes = uint64_t{64} << 30;
inline constexpr double kMaxFps = 1000.0;
inline constexpr uint32_t kMinKeepaliveMs = 10;
inline constexpr uint32_t kMaxKeepaliveMs = 3'600'000;

inline constexpr size_t kMaxMessageBytes = 65536;
inline constexpr size_t kMaxMessageFds = 8;
inline constexpr uint64_t kMaxMetricsBytes = 16 << 20;
inline constexpr uint32_t kMaxSourceName = 256;
inline constexpr uint32_t kMaxClientName = 64;
inline constexpr uint32_t kMaxListedClients = 256;  // in one ListReply
inline constexpr uint32_t kMaxStreams = 64;
inline constexpr uint32_t kMaxQuotas = 16;     // in one PolicyReply
inline constexpr size_t kMaxAuthBytes = 1024;  // of an X authorization
inline constexpr uint32_t kMaxListedWindows = 128;
inline constexpr uint32_t kMaxListedMonitors = 32;
inline constexpr uint32_t kMaxMonitorName = 64;
inline constexpr uint32_t kMaxWindowText = 256;  // a title, or a part of a class
inline constexpr size_t kEdidBytes = 128;        // the base block
inline constexpr uint32_t kHandshakeTimeoutMs = 2000;
inline constexpr uint32_t kOpenLimitMs = 4000;  // for a source to open; a client waits 5 s for any answer
inline constexpr uint32_t kDefaultLingerMs = 2000;
inline constexpr uint32_t kMaxLingerMs = 3'600'000;

}  // namespace framering::proto
