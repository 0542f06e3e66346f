// Eight processes read one stream of 240 Hz at their own speeds, for a minute in all, and check every pixel:
// no torn frame within a valid lease, no sequence twice or out of order, every broken lease told to its
// holder and none broken within its guarantee.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/capture/test_pattern.h"
#include "framering/framering.h"
#include "proto/unique_fd.h"
#include "tests/support/child.h"
#include "tests/support/daemon_process.h"

namespace framering::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kSource = "test:320x240@240";
constexpr auto kLease = 100ms;

struct Reader {
  Mode mode;
  std::chrono::milliseconds hold;  // how long a frame is kept and read again
  uint32_t frames;                 // kept at the same time
};

// The last two outstay their leases. Together they hold more slots than the ring can spare.
constexpr Reader kReaders[] = {
    {Mode::latest, 0ms, 1}, {Mode::latest, 3ms, 1}, {Mode::latest, 17ms, 1},  {Mode::every, 0ms, 1},
    {Mode::every, 2ms, 1},  {Mode::every, 50ms, 1}, {Mode::latest, 250ms, 2}, {Mode::every, 400ms, 3},
};
constexpr auto kDuration = 60'000ms / std::size(kReaders);

// What a reader saw; written to its parent through a pipe.
struct Report {
  uint64_t frames = 0;
  uint64_t missed = 0;
  uint64_t gaps = 0;      // sequences that were skipped between two frames
  uint64_t disorder = 0;  // a sequence or barcode that does not grow
  uint64_t torn = 0;      // pixels that are not one frame, or another one, under a lease that counts as valid
  uint64_t told = 0;      // leases that are broken, says the client library,
  uint64_t broken = 0;    // and the daemon
  uint64_t early = 0;     // leases that were broken within their guarantee
};

// Of the whole frame; nothing if its rows are not all of one frame.
std::optional<uint32_t> barcode(const Frame& frame) {
  const daemon::Geometry geometry{frame.width(), frame.height(), daemon::PixelFormat::kBgrx8888};
  const daemon::DamageRect whole{0, 0, static_cast<uint16_t>(frame.width()),
                                 static_cast<uint16_t>(frame.height())};
  return daemon::read_barcode({frame.data(), frame.size_bytes()}, geometry, whole);
}

class ReaderRun {
 public:
  ReaderRun(const std::string& socket, const Reader& reader)
      : connection_(Connection::connect(socket)),
        stream_(connection_.open({.source = kSource, .mode = reader.mode, .max_leases = reader.frames})),
        reader_(reader) {}

  Report run() {
    for (const auto end = Clock::now() + kDuration; Clock::now() < end;) {
      take();
      if (held_.size() == reader_.frames) give_back();
    }
    while (!held_.empty()) give_back();
    report_.missed = stream_.missed();
    const std::vector<StreamInfo> streams = connection_.list();
    for (const ClientInfo& client : streams.at(0).clients) {
      if (client.pid == static_cast<uint32_t>(getpid())) report_.broken += client.leases_broken;
    }
    return report_;
  }

 private:
  struct Held {
    Frame frame;
    uint32_t number;
    Clock::time_point since;  // not later than the lease
  };

  void take() {
    const auto before = Clock::now();
    auto frame = stream_.next(1s);
    if (!frame) return;
    ++report_.frames;
    if (last_sequence_ != 0) report_.gaps += frame->sequence() - last_sequence_ - 1;
    if (frame->sequence() <= last_sequence_) ++report_.disorder;
    last_sequence_ = frame->sequence();
    const Clock::time_point published{std::chrono::nanoseconds(frame->published_ns())};
    const auto number = barcode(*frame);
    Held held{*std::move(frame), number.value_or(0), std::max(before, published)};
    if (!held.frame.valid()) {
      count_broken(held);
      return;
    }
    if (!number) ++report_.torn;
    if (number <= last_number_) ++report_.disorder;
    last_number_ = number;
    held_.push_back(std::move(held));
  }

  void give_back() {
    Held held = std::move(held_.front());
    held_.pop_front();
    std::this_thread::sleep_until(held.since + reader_.hold);
    const auto number = barcode(held.frame);
    if (!held.frame.release()) {
      count_broken(held);
    } else if (number != held.number) {
      ++report_.torn;
    }
  }

  void count_broken(const Held& held) {
    ++report_.told;
    if (Clock::now() - held.since < kLease) ++report_.early;
  }

  Connection connection_;
  Stream stream_;
  const Reader reader_;
  Report report_;
  uint64_t last_sequence_ = 0;
  std::optional<uint32_t> last_number_;
  std::deque<Held> held_;
};

TEST(BarcodeTest, EightReadersAtDifferentSpeedsSeeNoTornRepeatedOrReorderedFrame) {
  const DaemonProcess daemon(
      {"--source", kSource, "--slots", "6", "--lease-ms", std::to_string(kLease.count())});
  std::vector<std::pair<Child, proto::UniqueFd>> children;
  for (const Reader& reader : kReaders) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    proto::UniqueFd read_end(ends[0]);
    const proto::UniqueFd write_end(ends[1]);
    children.emplace_back(Child([&] {
                            const Report report = ReaderRun(daemon.socket(), reader).run();
                            return write(write_end.get(), &report, sizeof report) == sizeof report ? 0 : 1;
                          }),
                          std::move(read_end));
  }

  uint64_t broken = 0;
  for (size_t i = 0; i < children.size(); ++i) {
    SCOPED_TRACE("reader " + std::to_string(i));
    Report report;
    EXPECT_EQ(read(children[i].second.get(), &report, sizeof report), ssize_t{sizeof report});
    EXPECT_EQ(children[i].first.wait(), 0);
    std::printf("reader %zu: %lu frames, %lu missed, %lu leases broken\n", i, report.frames, report.missed,
                report.told);
    EXPECT_GT(report.frames, 10u);
    EXPECT_EQ(report.missed, report.gaps);
    EXPECT_EQ(report.disorder, 0u);
    EXPECT_EQ(report.torn, 0u);
    EXPECT_EQ(report.early, 0u);
    EXPECT_GE(report.told, report.broken) << "the daemon broke leases whose holder was not told";
    broken += report.broken;
  }
  EXPECT_GT(broken, 0u) << "no lease was ever broken: the test did not test that";
}

}  // namespace
}  // namespace framering::testing
