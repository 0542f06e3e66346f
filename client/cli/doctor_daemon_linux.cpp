#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "client/cli/doctor.h"
#include "client/cli/report.h"
#include "framering/framering.h"
#include "proto/channel.h"

namespace framering::cli {

namespace {

constexpr const char* kGroup = "framering";
constexpr const char* kTestSource = "test:640x480@60";
constexpr std::chrono::seconds kTestTime{1};

std::string decimals(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

Check check_socket(const std::string& path) {
  Check check{.name = "socket", .found = path};
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    check.verdict = Verdict::kBroken;
    check.found += errno == EACCES ? ": this user may not look there" : ": not there";
    check.fix = errno == EACCES
                    ? "ask for access to " + std::filesystem::path(path).parent_path().string()
                    : "start the daemon: systemctl start frameringd.socket, or frameringd in your session";
  } else if (!S_ISSOCK(info.st_mode)) {
    check.verdict = Verdict::kBroken;
    check.found += ": no socket";
    check.fix = "name the daemon's socket with --socket";
  } else if (access(path.c_str(), W_OK) != 0) {
    check.verdict = Verdict::kBroken;
    check.found += ": this user may not connect";
    check.fix = "SocketMode=0666 in frameringd.socket: who may attach is for the daemon to say";
  } else {
    const passwd* owner = getpwuid(info.st_uid);
    check.found += ", of " + (owner ? std::string(owner->pw_name) : std::to_string(info.st_uid));
  }
  return check;
}

// Only told: the daemon decides, and says so where it refuses.
Check check_user() {
  const uid_t uid = geteuid();
  const passwd* user = getpwuid(uid);
  Check check{.name = "user",
              .found = (user ? std::string(user->pw_name) : "uid") + " (" + std::to_string(uid) + ")"};
  const group* entry = getgrnam(kGroup);
  if (!entry) {
    check.found += "; this machine has no group framering";
    return check;
  }
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  groups.resize(static_cast<size_t>(std::max(0, getgroups(static_cast<int>(groups.size()), groups.data()))));
  const bool is_member =
      getegid() == entry->gr_gid || std::ranges::find(groups, entry->gr_gid) != groups.end();
  check.found += is_member ? ", in group framering" : ", not in group framering";
  return check;
}

Check refused(const Error& error, const std::string& name) {
  Check check{.name = name, .verdict = Verdict::kBroken, .found = error.what(), .fix = error.hint()};
  if (error.code() == ErrorCode::permission_denied && check.fix.empty()) {
    check.fix = "have this user added to allow_uids of framering.toml";
  }
  if (check.fix.empty()) check.fix = "look into the daemon's log: journalctl -u frameringd";
  return check;
}

Check check_stream(const StreamInfo& stream) {
  Check check{.name = "stream", .found = stream.source};
  if (stream.available) {
    check.found += ": " + std::to_string(stream.width) + "x" + std::to_string(stream.height) + " " +
                   std::string(name(stream.format)) + " in " + std::string(name(stream.memory)) + " memory";
  } else {
    check.verdict = Verdict::kBroken;
    check.found += ": " + stream.reason;
    check.fix = "it comes back by itself once its source does";
  }
  return check;
}

// Reads for a second. A desktop that stands still has one frame, which is no fault.
Check test_stream(Connection& connection, const std::string& source) {
  Check check{.name = "self-test", .found = source};
  Stream stream = connection.open({.source = source, .mode = Mode::every});
  const auto begin = Clock::now();
  const auto end = begin + kTestTime;
  Ages ages;
  double frames = 0;
  bool all_valid = true;
  while (Clock::now() < end) {
    const auto frame = stream.next(end - Clock::now());
    if (!frame) break;
    const Clock::time_point captured{std::chrono::nanoseconds(frame->capture_ns())};
    if (captured > begin)
      ages.add(std::chrono::duration<double, std::milli>(Clock::now() - captured).count());
    all_valid &= frame->valid();
    ++frames;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  check.figures = {{"seconds", seconds},
                   {"frames", frames},
                   {"fps", frames / seconds},
                   {"missed", static_cast<double>(stream.missed())}};
  check.found += ": " + decimals(frames, 0) + " frames in " + decimals(seconds, 1) + " s, " +
                 std::to_string(stream.missed()) + " missed";
  if (const auto median = ages.quantile(0.5), last = ages.quantile(0.99); median && last) {
    check.figures.insert(check.figures.end(), {{"age_p50_ms", *median}, {"age_p99_ms", *last}});
    check.found += ", age p50 " + decimals(*median, 2) + " p99 " + decimals(*last, 2) + " ms";
  }
  if (frames == 0) {
    check.verdict = Verdict::kBroken;
    check.fix = "look into the daemon's log: journalctl -u frameringd";
  } else if (!all_valid) {
    check.verdict = Verdict::kWarning;
    check.fix =
        "frames were taken back while they were read: is this machine overloaded? raise slots or lease_ms";
  }
  return check;
}

// The test source where the daemon has or makes it, else what it has: a moving picture says more than a
// desktop that stands still.
Check self_test(Connection& connection, const std::vector<StreamInfo>& streams) {
  std::vector<std::string> sources{kTestSource};
  for (const bool is_test : {true, false}) {
    for (const StreamInfo& stream : streams) {
      if (stream.available && stream.source.starts_with("test:") == is_test) sources.push_back(stream.source);
    }
  }
  Check failed{.name = "self-test"};
  for (const std::string& source : sources) {
    try {
      return test_stream(connection, source);
    } catch (const Error& error) {
      failed = refused(error, "self-test");
    }
  }
  return failed;
}

}  // namespace

std::vector<Check> check_daemon(const std::string& socket) {
  const std::string path = socket.empty() ? proto::find_socket_path() : socket;
  std::vector<Check> checks{check_socket(path), check_user()};
  try {
    Connection connection = Connection::connect(path, "framering doctor");
    Check daemon{.name = "daemon",
                 .found = "frameringd " + connection.daemon_version() + ", pid " +
                          std::to_string(connection.daemon_pid())};
    if (connection.daemon_version() != version) {
      daemon.verdict = Verdict::kWarning;
      daemon.found += "; this command is " + std::string(version);
      daemon.fix = "install the same version of both";
    }
    checks.push_back(std::move(daemon));
    const auto streams = connection.list();
    for (const StreamInfo& stream : streams) checks.push_back(check_stream(stream));
    checks.push_back(self_test(connection, streams));
  } catch (const Error& error) {
    checks.push_back(refused(error, "daemon"));
  }
  return checks;
}

}  // namespace framering::cli
