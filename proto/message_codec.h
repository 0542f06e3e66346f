// What the codecs of message*.cpp share; everyone else sees message.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "proto/control_generated.h"
#include "proto/message.h"
#include "proto/text.h"

namespace framering::proto {

inline constexpr size_t kMaxText = 512;

using Builder = flatbuffers::FlatBufferBuilder;
struct Encoded {
  fb::Body type;
  flatbuffers::Offset<void> table;
};

inline Error bad_field(const char* what) {
  return Error{ErrorCode::kInvalidArgument, what, {}};
}

// Fills `to`; false if the text is too long or not text. A missing string is an empty one.
inline bool take(const flatbuffers::String* from, std::string& to, size_t limit = kMaxText) {
  if (!from) return true;
  if (from->size() > limit || !is_text({from->data(), from->size()})) return false;
  to = from->str();
  return true;
}

using Bytes = flatbuffers::Offset<flatbuffers::Vector<uint8_t>>;
inline Bytes create_bytes(Builder& b, std::span<const std::byte> bytes) {
  return b.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}
inline std::span<const std::byte> view(const flatbuffers::Vector<uint8_t>* bytes) {
  if (!bytes) return {};
  return {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()};
}

// message_desktop.cpp
Encoded encode_body(Builder& b, const DesktopReply& m);
Result<Body> decode_body(const fb::DesktopReply& m);

}  // namespace framering::proto
