// A client of the demo: reads the screen for some seconds and says what it saw, as one line of JSON.
// reader.py does the same in Python.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "framering/framering.h"

namespace {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, as the times of a frame

constexpr size_t kComparedBytes = 8 << 20;

uint64_t now_ns() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count());
}

// Of the pixels; where they are many, of every second, third ... row.
uint64_t checksum(const framering::Frame& frame) {
  const size_t row_step = frame.size_bytes() / kComparedBytes + 1;
  const size_t row_bytes = size_t{frame.width()} * framering::bytes_per_pixel(frame.format());
  uint64_t sum = 0xcbf29ce484222325;  // FNV-1a, four bytes at a time
  for (size_t y = 0; y < frame.height(); y += row_step) {
    const std::byte* row = frame.data() + y * frame.stride();
    for (size_t offset = 0; offset + sizeof(uint32_t) <= row_bytes; offset += sizeof(uint32_t)) {
      uint32_t word = 0;
      std::memcpy(&word, row + offset, sizeof(word));
      sum = (sum ^ word) * 0x100000001b3;
    }
  }
  return sum;
}

int read_frames(std::chrono::duration<double> duration) {
  framering::Connection connection = framering::Connection::connect();
  framering::Stream stream = connection.open();
  uint64_t frames = 0;
  std::set<uint64_t> contents;
  std::vector<double> ages_ms;
  const uint64_t start_ns = now_ns();
  const auto end = Clock::now() + duration;
  while (Clock::now() < end) {
    auto frame = stream.next(std::chrono::duration_cast<std::chrono::nanoseconds>(end - Clock::now()));
    if (!frame) break;
    // What was captured before this client came says nothing about how fast frames arrive.
    if (frame->capture_ns() >= start_ns) ages_ms.push_back((now_ns() - frame->capture_ns()) / 1e6);
    ++frames;
    contents.insert(checksum(*frame));
    if (!frame->release()) {
      std::fprintf(stderr, "a frame was taken away within its lease time\n");
      return 1;
    }
  }
  std::printf(R"({"frames": %llu, "unique": %zu, "missed": %llu, "ages_ms": [)",
              static_cast<unsigned long long>(frames), contents.size(),
              static_cast<unsigned long long>(stream.missed()));
  for (size_t i = 0; i < ages_ms.size(); ++i) std::printf("%s%.3f", i ? ", " : "", ages_ms[i]);
  std::printf("]}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: demo_reader SECONDS\n");
    return 2;
  }
  try {
    return read_frames(std::chrono::duration<double>(std::strtod(argv[1], nullptr)));
  } catch (const framering::Error& error) {
    std::fprintf(stderr, "demo_reader: %s\n%s\n", error.what(), error.hint().c_str());
    return 1;
  }
}
