// The bytes of the control messages: what a peer that was built against this protocol version sends and
// expects.
#include "proto/message.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/golden/golden.h"

namespace framering::proto {
namespace {

constexpr const char* kWhatToDo =
    "Both ends of one protocol version must read each other. A field or a kind of message is appended, never "
    "moved or removed\n(proto/control.fbs). If a meaning had to change, raise kProtocolVersion in "
    "proto/message.h and "
    "write the files of the new\nversion with FRAMERING_WRITE_GOLDEN=1. The files of a version that was "
    "released stay "
    "as they are.";

// Every field has a value that is not its default and not that of another field.
struct Sample {
  std::string name;
  Message message;
  friend void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.name; }
};

StreamInfo full_stream() {
  StreamInfo stream;
  stream.source = "screen";
  stream.available = true;
  stream.reason = "the reason, which an available stream has not";
  stream.epoch = 0x0102030405060708;
  stream.width = 3840;
  stream.height = 2160;
  stream.format = PixelFormat::kXrgb2101010;
  stream.memory = MemoryKind::kCuda;
  stream.slot_count = 6;
  stream.max_fps = 59.94;
  stream.captures = 0x1112131415161718;
  stream.published = 0x2122232425262728;
  stream.dropped = 0x3132333435363738;
  stream.client_count = 0x41424344;
  stream.clients = {{0x51525354, 0x61626364, "trainer \u00e9", 0x7172, 0x8182838485868788, 0x9192939495969798,
                     0xa1a2a3a4a5a6a7a8},
                    {1, 2, "viewer", 3, 4, 5, 6}};
  return stream;
}

StreamInfo lost_stream() {
  StreamInfo stream;
  stream.source = "test:64x48@30";
  stream.reason = "the X server at :1 is gone";
  return stream;
}

DesktopReply full_desktop() {
  DesktopReply desktop{":7",
                       0x01020304,
                       0x11121314,
                       {},
                       {},
                       0x21222324,
                       "why there are no monitors",
                       "why there are no windows"};
  desktop.monitors = {
      {"HDMI-1", "HDMI-A-1", -0x01020304, 0x31323334, 0x41424344, 0x51525354, true, 0x6162, 59.94, 1.5,
       0x71727374, 0x7f828384, "DEL", "DELL U2720Q", std::vector<std::byte>(kEdidBytes, std::byte{0x64})},
      {.name = "VIRTUAL"}};
  desktop.windows = {{0x01a00007, "Mail \u00e9", "Mail", "mail", 0x12131415, -0x02030405, 0x22232425,
                      0x32333435, 0x42434445, true, true, true, 0x52535455},
                     {.id = 2}};
  return desktop;
}

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = {
      {"hello", {0x01020304, Hello{0x0506, "viewer"}}},
      {"welcome", {2, Welcome{0x0708, "0.1.0", 0x090a0b0c}}},
      {"list_request", {3, ListRequest{}}},
      {"list_reply", {4, ListReply{{full_stream(), lost_stream()}}}},
      {"open_request", {5, OpenRequest{"screen", MemoryKind::kHost, 7, 29.97, true, CursorMode::kEmbedded}}},
      {"open_reply",
       {6, OpenReply{0x11121314,
                     0x1516,
                     0x1718191a1b1c1d1e,
                     MemoryKind::kCudaIpc,
                     0x21222324,
                     0x3132333435363738,
                     0x4142434445464748,
                     9,
                     {FdRole::kControl, FdRole::kLease, FdRole::kWakePipe, FdRole::kBell},
                     CudaUuid{std::byte{0x61}, std::byte{0x62}},
                     std::vector<std::byte>(64, std::byte{0x63}),
                     0x71727374}}},
      {"close_request", {7, CloseRequest{0x51525354}}},
      {"close_reply", {8, CloseReply{}}},
      {"metrics_request", {20, MetricsRequest{}}},
      {"metrics_reply", {21, MetricsReply{0x616263}}},
      {"policy_request", {22, PolicyRequest{0x71727374, "window:active"}}},
      {"policy_reply",
       {23, PolicyReply{true,
                        "rule 1 (line 3) allows user 7 screen",
                        {{"clients_per_uid", 0x81828384, 0x9192939495969798}}}}},
      {"reload_request", {24, ReloadRequest{}}},
      {"reload_reply", {25, ReloadReply{}}},
      {"display_request",
       {26, DisplayRequest{":1.2", "MIT-MAGIC-COOKIE-1", std::vector<std::byte>(16, std::byte{0x64})}}},
      {"display_reply", {27, DisplayReply{}}},
      {"desktop_request", {26, DesktopRequest{}}},
      {"desktop_reply", {27, full_desktop()}},
      {"watch_request", {28, WatchRequest{}}},
      {"watch_reply", {29, WatchReply{}}},
      {"error", {9, Error{ErrorCode::kQuotaExceeded, "too many clients", "close what is not needed"}}},
  };
  return all;
}

class MessageBytes : public ::testing::TestWithParam<Sample> {
 protected:
  const std::string file_ = "protocol_v" + std::to_string(kProtocolVersion) + "/" + GetParam().name;
};

TEST_P(MessageBytes, AreThoseOfTheProtocolVersion) {
  EXPECT_TRUE(testing::matches_golden(file_, encode(GetParam().message), kWhatToDo));
}

// With the test above: what a peer of this version sends is read field by field as it meant it.
TEST_P(MessageBytes, AreReadAsWhatTheyWereWrittenFrom) {
  const auto golden = testing::read_golden(file_);
  const auto read = decode(golden);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->request_id, GetParam().message.request_id);
  EXPECT_EQ(read->body.index(), GetParam().message.body.index());
  EXPECT_EQ(encode(*read), encode(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Kinds, MessageBytes, ::testing::ValuesIn(samples()),
                         [](const auto& info) { return info.param.name; });

TEST(MessageKinds, EachHasItsCommittedBytes) {
  std::set<size_t> kinds;
  for (const Sample& sample : samples()) kinds.insert(sample.message.body.index());
  EXPECT_EQ(kinds.size(), std::variant_size_v<Body>);
}

// Numbers on the wire.
TEST(MessageKinds, EnumsMeanWhatTheyMeantBefore) {
  EXPECT_EQ(static_cast<int>(MemoryKind::kAuto), 0);
  EXPECT_EQ(static_cast<int>(MemoryKind::kHost), 1);
  EXPECT_EQ(static_cast<int>(MemoryKind::kCuda), 2);
  EXPECT_EQ(static_cast<int>(MemoryKind::kCudaIpc), 3);
  EXPECT_EQ(static_cast<int>(CursorMode::kHidden), 0);
  EXPECT_EQ(static_cast<int>(CursorMode::kMetadata), 1);
  EXPECT_EQ(static_cast<int>(CursorMode::kEmbedded), 2);
  EXPECT_EQ(static_cast<int>(FdRole::kControl), 1);
  EXPECT_EQ(static_cast<int>(FdRole::kPixels), 2);
  EXPECT_EQ(static_cast<int>(FdRole::kLease), 3);
  EXPECT_EQ(static_cast<int>(FdRole::kWakePipe), 4);
  EXPECT_EQ(static_cast<int>(FdRole::kBell), 5);
  const ErrorCode codes[] = {
      ErrorCode::kInternal,        ErrorCode::kProtocol,     ErrorCode::kVersion,
      ErrorCode::kInvalidArgument, ErrorCode::kNotFound,     ErrorCode::kPermissionDenied,
      ErrorCode::kQuotaExceeded,   ErrorCode::kUnavailable,  ErrorCode::kMemoryUnavailable,
      ErrorCode::kOutOfMemory,     ErrorCode::kAlreadyInUse, ErrorCode::kDisconnected,
      ErrorCode::kTimeout,         ErrorCode::kStreamEnded,  ErrorCode::kLeaseLimit,
      ErrorCode::kForked};
  for (int i = 0; i < 16; ++i) EXPECT_EQ(static_cast<int>(codes[i]), i + 1);
}

}  // namespace
}  // namespace framering::proto
