// What encode() and decode() promise about messages of peers that are newer, broken or hostile.
#include "proto/message.h"

#include <flatbuffers/flatbuffers.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace framering::proto {
namespace {

using ::testing::HasSubstr;
using Builder = flatbuffers::FlatBufferBuilder;

// Numbers of proto/control.fbs, for messages that encode() would not write.
enum Kind : uint8_t { kHello = 1, kListReply = 4 };

constexpr flatbuffers::voffset_t field(int index) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * index);
}

std::vector<std::byte> finish(Builder& b, uint8_t kind, flatbuffers::Offset<void> body,
                              const char* identifier = "FRG1") {
  const auto start = b.StartTable();
  b.AddElement<uint32_t>(field(0), 7, 0);
  b.AddElement<uint8_t>(field(1), kind, 0);
  if (!body.IsNull()) b.AddOffset(field(2), body);
  b.Finish(flatbuffers::Offset<void>(b.EndTable(start)), identifier);
  const auto* begin = reinterpret_cast<const std::byte*>(b.GetBufferPointer());
  return {begin, begin + b.GetSize()};
}

flatbuffers::Offset<void> empty_table(Builder& b) {
  return b.EndTable(b.StartTable());
}

std::vector<std::byte> hello_of(const std::string& name) {
  return encode({1, Hello{kProtocolVersion, name}});
}

void expect_refused(std::span<const std::byte> bytes, ErrorCode code, const std::string& part) {
  const auto message = decode(bytes);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, code);
  EXPECT_THAT(message.error().text(), HasSubstr(part));
}

template <class M>
M round_trip(const M& body) {
  const auto message = decode(encode({1, body}));
  if (!message) throw std::runtime_error(message.error().text());
  return std::get<M>(message->body);
}

TEST(Message, FieldsAtTheEndsOfTheirRangesArrive) {
  for (const uint16_t leases : {uint16_t{1}, uint16_t{kMaxLeases}}) {
    for (const double fps : {0.0, 1e-9, kMaxFps}) {
      const auto request =
          round_trip(OpenRequest{std::string(kMaxSourceName, 's'), MemoryKind::kCudaIpc, leases, fps, false});
      EXPECT_EQ(request.source, std::string(kMaxSourceName, 's'));
      EXPECT_EQ(request.memory, MemoryKind::kCudaIpc);
      EXPECT_EQ(request.max_leases, leases);
      EXPECT_EQ(request.max_fps, fps);
    }
  }
  const auto message = decode(encode({std::numeric_limits<uint32_t>::max(), CloseRequest{0}}));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->request_id, std::numeric_limits<uint32_t>::max());
}

TEST(Message, FieldsOutOfRangeAreRefusedWithTheRange) {
  const auto request = [](uint16_t leases, double fps) {
    return encode({1, OpenRequest{"screen", MemoryKind::kAuto, leases, fps, false}});
  };
  for (const uint16_t leases : {0, 17, 65535}) {
    expect_refused(request(leases, 0), ErrorCode::kInvalidArgument, "max_leases: 1 to 16");
  }
  for (const double fps : {-1.0, 1000.5, std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(), std::nan("")}) {
    expect_refused(request(1, fps), ErrorCode::kInvalidArgument, "max_fps: 0 to 1000");
  }
  OpenReply reply;
  reply.max_leases = 1;
  reply.fd_roles.assign(kMaxMessageFds + 1, FdRole::kControl);
  expect_refused(encode({1, reply}), ErrorCode::kInvalidArgument, "fd_roles");
}

TEST(Message, UnknownEnumValuesAreRefused) {
  const auto unknown_memory = static_cast<MemoryKind>(4);
  OpenRequest request;
  request.memory = unknown_memory;
  expect_refused(encode({1, request}), ErrorCode::kInvalidArgument, "memory");

  for (const MemoryKind memory : {unknown_memory, MemoryKind::kAuto}) {
    OpenReply reply;
    reply.max_leases = 1;
    reply.memory = memory;
    expect_refused(encode({1, reply}), ErrorCode::kInvalidArgument, "memory");
  }
  for (const int role : {0, 6, 255}) {
    OpenReply reply;
    reply.max_leases = 1;
    reply.fd_roles = {static_cast<FdRole>(role)};
    expect_refused(encode({1, reply}), ErrorCode::kInvalidArgument, "fd_roles");
  }
  for (const uint32_t format : {0u, 6u, ~0u}) {
    StreamInfo stream;
    stream.format = static_cast<PixelFormat>(format);
    expect_refused(encode({1, ListReply{{stream}}}), ErrorCode::kInvalidArgument, "format");
  }
}

TEST(Message, TextOfAnyScriptArrives) {
  for (const std::string name :
       {"", " ", "viewer 2", "Gr\u00fc\u00dfe", "\u7a93", "\U0001f5bc", "\u00a0", "\ufffd"}) {
    const auto message = decode(hello_of(name));
    ASSERT_TRUE(message) << name;
    EXPECT_EQ(std::get<Hello>(message->body).client_name, name);
  }
}

// What a client is called goes into logs and onto terminals.
TEST(Message, ControlCharactersAndBadUtf8AreRefused) {
  for (const std::string& name :
       {std::string("\n"), std::string("a\x1b[31m"), std::string("a\0b", 3), std::string("\x7f"),
        std::string("\xc2\x9b"),          // CSI, a control character beyond ASCII
        std::string("\x80"),              // continues nothing
        std::string("\xc3"),              // cut short
        std::string("\xe7\xaa"),          // cut short
        std::string("\xc3\x28"),          // not continued
        std::string("\xc0\xaf"),          // "/" in two bytes
        std::string("\xe0\x80\xaf"),      // "/" in three bytes
        std::string("\xf0\x80\x80\xaf"),  // "/" in four bytes
        std::string("\xed\xa0\x80"),      // a surrogate
        std::string("\xf4\x90\x80\x80"),  // beyond U+10FFFF
        std::string("\xf8\x88\x80\x80\x80"), std::string("\xff")}) {
    expect_refused(hello_of(name), ErrorCode::kInvalidArgument, "client name");
    OpenRequest request;
    request.source = name;
    expect_refused(encode({1, request}), ErrorCode::kInvalidArgument, "source");
  }
}

TEST(Message, TextThatIsTooLongIsRefused) {
  EXPECT_TRUE(decode(hello_of(std::string(kMaxClientName, 'x'))));
  expect_refused(hello_of(std::string(kMaxClientName + 1, 'x')), ErrorCode::kInvalidArgument, "client name");
  OpenRequest request;
  request.source.assign(kMaxSourceName + 1, 'x');
  expect_refused(encode({1, request}), ErrorCode::kInvalidArgument, "source");
}

// An error is the last that a refused client hears: it must be readable whatever it quotes.
TEST(Message, AnErrorArrivesHoweverLongItIsAndWhateverItQuotes) {
  const auto error = round_trip(Error{ErrorCode::kNotFound, "no \"a\nb\xff\" here", std::string(5000, 'x')});
  EXPECT_EQ(error.message, "no \"a?b?\" here");
  EXPECT_THAT(error.hint, ::testing::MatchesRegex("x+"));
  EXPECT_GE(error.hint.size(), 1000u);

  std::string umlauts = "x";  // the limit falls into the middle of a character
  for (int i = 0; i < 1000; ++i) umlauts += "\u00fc";
  const auto cut = round_trip(Error{ErrorCode::kNotFound, umlauts, {}});
  EXPECT_EQ(cut.message, umlauts.substr(0, cut.message.size()));
  EXPECT_GE(cut.message.size(), 1000u);

  StreamInfo stream;
  stream.reason = "lost:\t" + std::string(5000, 'y');
  EXPECT_THAT(round_trip(ListReply{{stream}}).streams.at(0).reason, ::testing::StartsWith("lost:?yyy"));
}

TEST(Message, TheLongestListFitsAPacketAndKeepsEveryStream) {
  ListReply list;
  for (uint32_t i = 0; i < kMaxStreams; ++i) {
    StreamInfo stream;
    stream.source.assign(kMaxSourceName, 's');
    stream.reason.assign(1000, 'r');
    stream.available = true;
    stream.epoch = stream.captures = stream.published = stream.dropped = ~uint64_t{0} - i;
    stream.width = stream.height = kMaxDimension - i;
    stream.max_fps = 1 + i;
    stream.slot_count = kMaxSlots;
    stream.client_count = kMaxListedClients / kMaxStreams;
    for (uint32_t k = 0; k < stream.client_count; ++k) {
      stream.clients.push_back({1 + k, 2 + i, std::string(kMaxClientName, 'c'), 2, ~uint64_t{0} - k, 3 + k});
    }
    list.streams.push_back(std::move(stream));
  }
  EXPECT_LE(encode({1, list}).size(), kMaxMessageBytes);
  const auto received = round_trip(list);
  ASSERT_EQ(received.streams.size(), kMaxStreams);
  for (const StreamInfo& stream : received.streams) {
    EXPECT_EQ(stream.source.size(), kMaxSourceName);
    EXPECT_EQ(stream.client_count, kMaxListedClients / kMaxStreams) << "the count is of all, listed or not";
  }
  EXPECT_FALSE(received.streams[0].clients.empty());
}

TEST(Message, AFewStreamsAreListedWithAllTheirClients) {
  StreamInfo stream;
  for (uint32_t i = 0; i < kMaxListedClients / 4; ++i) {
    stream.clients.push_back({1 + i, 1, std::string(kMaxClientName, 'c'), 1, 1, 1});
  }
  const ListReply list{{stream, stream, stream, stream}};
  for (const StreamInfo& received : round_trip(list).streams) {
    EXPECT_EQ(received.clients.size(), kMaxListedClients / 4);
  }
}

DesktopReply long_desktop(uint32_t monitors, uint32_t windows, size_t text) {
  DesktopReply desktop{.display = std::string(kMaxMonitorName, 'd'), .width = 1, .height = 1};
  for (uint32_t i = 0; i < monitors; ++i) {
    const std::string name(kMaxMonitorName, 'm');
    desktop.monitors.push_back({name, name, -1, -1, ~0u, ~0u, true, 0xffff, 59.94, 2.5, ~0u, ~0u, name, name,
                                std::vector<std::byte>(kEdidBytes, std::byte{0xff})});
  }
  for (uint32_t i = 0; i < windows; ++i) {
    const std::string words(text, 'w');
    desktop.windows.push_back(
        {1 + i, words, words, words, ~0u, -1, -1, ~0u, ~0u, true, true, true, 0x7fffffff});
  }
  desktop.window_count = windows;
  desktop.monitors_withheld = desktop.windows_withheld = std::string(5000, 'r');
  return desktop;
}

TEST(Message, TheLongestDesktopFitsAPacketAndKeepsTheTopmostWindows) {
  const DesktopReply desktop = long_desktop(kMaxListedMonitors, kMaxListedWindows, kMaxWindowText);
  EXPECT_LE(encode({1, desktop}).size(), kMaxMessageBytes);
  const auto received = round_trip(desktop);
  EXPECT_EQ(received.monitors, desktop.monitors);
  EXPECT_EQ(received.window_count, kMaxListedWindows) << "the count is of all, listed or not";
  ASSERT_GE(received.windows.size(), 40u);
  for (size_t i = 0; i < received.windows.size(); ++i) EXPECT_EQ(received.windows[i], desktop.windows[i]);
}

TEST(Message, AUsualDesktopIsToldInFull) {
  const DesktopReply desktop = long_desktop(4, kMaxListedWindows, 64);
  EXPECT_EQ(round_trip(desktop).windows, desktop.windows);
}

TEST(Message, ADesktopWithFieldsOutOfRangeIsRefused) {
  const auto refused = [](auto&& change, const char* part) {
    DesktopReply desktop = long_desktop(1, 1, 8);
    change(desktop);
    expect_refused(encode({1, desktop}), ErrorCode::kInvalidArgument, part);
  };
  refused([](DesktopReply& d) { d.monitors[0].name = "\x1b[2J"; }, "monitor");
  refused([](DesktopReply& d) { d.monitors[0].make.assign(kMaxMonitorName + 1, 'm'); }, "monitor");
  refused([](DesktopReply& d) { d.monitors[0].scale = std::numeric_limits<double>::quiet_NaN(); }, "monitor");
  refused([](DesktopReply& d) { d.monitors[0].refresh_hz = -1; }, "monitor");
  refused([](DesktopReply& d) { d.monitors[0].edid.resize(127); }, "edid");
  refused([](DesktopReply& d) { d.windows[0].title = "\xff"; }, "window");
  refused([](DesktopReply& d) { d.windows[0].class_name.assign(kMaxWindowText + 1, 'w'); }, "window");
}

TEST(Message, AKindOfANewerVersionIsToldAsSuch) {
  const auto next = static_cast<uint8_t>(std::variant_size_v<Body> + 1);
  for (const uint8_t kind : {next, uint8_t{255}}) {
    Builder b;
    expect_refused(finish(b, kind, empty_table(b)), ErrorCode::kVersion, "does not know");
  }
  Builder b;
  expect_refused(finish(b, 0, {}), ErrorCode::kVersion, "does not know");
}

TEST(Message, FieldsOfANewerVersionAreIgnored) {
  Builder b;
  const auto name = b.CreateString("newer");
  const auto start = b.StartTable();
  b.AddElement<uint16_t>(field(0), 2, 0);
  b.AddOffset(field(1), name);
  b.AddElement<uint64_t>(field(2), 0x0102030405060708, 0);
  const auto message = decode(finish(b, kHello, b.EndTable(start)));
  ASSERT_TRUE(message) << message.error().text();
  EXPECT_EQ(message->request_id, 7u);
  EXPECT_EQ(std::get<Hello>(message->body).protocol_version, 2);
  EXPECT_EQ(std::get<Hello>(message->body).client_name, "newer");
}

TEST(Message, FieldsThatAnOlderVersionDidNotSendHaveTheirDefaults) {
  Builder b;
  const auto message = decode(finish(b, kHello, empty_table(b)));
  ASSERT_TRUE(message) << message.error().text();
  EXPECT_EQ(std::get<Hello>(message->body).protocol_version, 0);
  EXPECT_EQ(std::get<Hello>(message->body).client_name, "");
}

TEST(Message, AKindWithoutABodyIsRefused) {
  for (uint8_t kind = 1; kind <= 9; ++kind) {
    Builder b;
    expect_refused(finish(b, kind, {}), ErrorCode::kProtocol, "no body");
  }
}

// One table that is named many times would make a small packet a large list.
TEST(Message, AListThatNamesOneTableManyTimesIsRefused) {
  Builder b;
  const auto client = empty_table(b);
  const auto clients = b.CreateVector(std::vector<flatbuffers::Offset<void>>(255, client));
  const auto stream_start = b.StartTable();
  b.AddOffset(field(14), clients);
  const flatbuffers::Offset<void> stream(b.EndTable(stream_start));
  const auto streams = b.CreateVector(std::vector<flatbuffers::Offset<void>>(kMaxStreams, stream));
  const auto list_start = b.StartTable();
  b.AddOffset(field(0), streams);
  const auto bytes = finish(b, kListReply, b.EndTable(list_start));
  EXPECT_LT(bytes.size(), 4096u);
  expect_refused(bytes, ErrorCode::kProtocol, "malformed");
}

TEST(Message, AnotherProtocolsBytesAreRefused) {
  Builder b;
  expect_refused(finish(b, kHello, empty_table(b), "ABCD"), ErrorCode::kProtocol,
                 "no message of this protocol");
  expect_refused({}, ErrorCode::kProtocol, "no message of this protocol");
  const std::string text = "GET / HTTP/1.1\r\n\r\n";
  expect_refused(std::as_bytes(std::span(text)), ErrorCode::kProtocol, "no message of this protocol");
}

TEST(Message, EveryTruncationIsRefused) {
  const auto bytes = encode({1, Error{ErrorCode::kNotFound, "message", "hint"}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto message = decode({bytes.data(), size});
    // Cut behind the last field, nothing is missing.
    if (message) {
      EXPECT_EQ(encode(*message), bytes) << size;
    }
  }
  expect_refused({bytes.data(), bytes.size() / 2}, ErrorCode::kProtocol, "malformed");
}

TEST(Message, BytesBeyondThePacketSizeAreRefused) {
  auto bytes = hello_of("x");
  bytes.resize(kMaxMessageBytes + 1);
  expect_refused(bytes, ErrorCode::kProtocol, "65536");
}

TEST(Message, ABufferAtAnyAlignmentIsRead) {
  const auto bytes = hello_of("aligned");
  std::vector<std::byte> shifted(bytes.size() + 8);
  for (size_t shift = 0; shift < 8; ++shift) {
    std::copy(bytes.begin(), bytes.end(), shifted.begin() + static_cast<ptrdiff_t>(shift));
    EXPECT_TRUE(decode({shifted.data() + shift, bytes.size()}));
  }
}

}  // namespace
}  // namespace framering::proto
