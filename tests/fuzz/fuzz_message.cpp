// Arbitrary bytes as a control message. What decode() takes, encode() and decode() carry unchanged from then
// on.
#include <cstddef>
#include <cstdint>
#include <span>

#include "proto/limits.h"
#include "proto/message.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace framering;
  const auto message = proto::decode(std::as_bytes(std::span(data, size)));
  if (!message) return 0;
  const auto bytes = proto::encode(*message);
  fuzz::require(bytes.size() <= proto::kMaxMessageBytes, "an encoded message fits a packet");
  const auto again = proto::decode(bytes);
  fuzz::require(bool(again), "what was encoded is decoded");
  fuzz::require(again->request_id == message->request_id && again->body.index() == message->body.index() &&
                    proto::encode(*again) == bytes,
                "what was decoded is what was encoded");
  return 0;
}
