#include <poll.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/logind.h"

namespace framering::daemon {

namespace {

constexpr const char* kLogind = "org.freedesktop.login1";
constexpr const char* kManagerPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
constexpr const char* kSession = "org.freedesktop.login1.Session";
constexpr const char* kUser = "org.freedesktop.login1.User";
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";
constexpr std::chrono::seconds kRetry{1};

struct SlotUnref {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Slot = std::unique_ptr<sd_bus_slot, SlotUnref>;

struct LoginSession {
  SessionState state;
  std::string display;
  bool is_closing = false;
};

bool is_error(sd_bus_message* message, const char* name) {
  return sd_bus_message_is_method_error(message, name) > 0;
}

// The session or user that was asked about is not there any more.
bool is_gone(sd_bus_message* message) {
  return is_error(message, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
         is_error(message, "org.freedesktop.login1.NoSuchSession") ||
         is_error(message, "org.freedesktop.login1.NoSuchUser");
}

// There is no bus, or none for this process.
bool is_refusal(int error) {
  return error == ENOENT || error == ENOTDIR || error == ECONNREFUSED || error == EACCES || error == EPERM;
}

// The reply to GetAll.
LoginSession read_session(sd_bus_message* message) {
  LoginSession session{{.is_known = true}, {}};
  if (sd_bus_message_enter_container(message, 'a', "{sv}") < 0) return session;
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* name = "";
    const char* text = "";
    int flag = 0;
    sd_bus_message_read(message, "s", &name);
    const std::string_view key = name;
    if (key == "Active" && sd_bus_message_read(message, "v", "b", &flag) >= 0) {
      session.state.active = flag != 0;
    } else if (key == "LockedHint" && sd_bus_message_read(message, "v", "b", &flag) >= 0) {
      session.state.locked = flag != 0;
    } else if (key == "Display" && sd_bus_message_read(message, "v", "s", &text) >= 0) {
      session.display = text;
    } else if (key == "State" && sd_bus_message_read(message, "v", "s", &text) >= 0) {
      session.is_closing = std::string_view(text) == "closing";
    } else if (key == "User") {
      sd_bus_message_read(message, "v", "(uo)", &session.state.uid, nullptr);
    } else {
      sd_bus_message_skip(message, "v");
    }
    if (sd_bus_message_exit_container(message) < 0) break;
  }
  return session;
}

}  // namespace

// One connection. What it hears makes it ask again for all that it wants to know: logind's signals say that
// something changed, and its answers what holds.
class Logind::Bus {
 public:
  explicit Bus(Logind& owner) : owner_(owner), fd_(owner.io_), timer_(owner.io_) {}
  ~Bus();

  // 0, or an errno.
  int open();
  // What the owner's target is, or nothing where that is none.
  void ask() {
    start_query();
    wait();
  }

 private:
  // The questions in progress; what comes of them is the last answer's to tell.
  struct Query {
    std::vector<Slot> slots;
    size_t unanswered = 0;
    std::string gap;           // why one is not answered, if so
    bool is_outdated = false;  // something changed since
    SessionState found;
  };

  template <void (Bus::*answered)(sd_bus_message*)>
  static int reply(sd_bus_message* message, void* data, sd_bus_error*) {
    auto& bus = *static_cast<Bus*>(data);
    --bus.query_.unanswered;
    (bus.*answered)(message);
    bus.finish_if_all_answered();
    return 0;
  }
  // A query in progress comes to its end, however many signals there are.
  static int changed(sd_bus_message*, void* data, sd_bus_error*) {
    auto& bus = *static_cast<Bus*>(data);
    if (bus.query_.unanswered > 0) {
      bus.query_.is_outdated = true;
    } else {
      bus.start_query();
    }
    return 0;
  }

  template <void (Bus::*answered)(sd_bus_message*), class... Arguments>
  void call(const char* path, const char* interface, const char* member, const char* types,
            Arguments... arguments) {
    sd_bus_slot* slot = nullptr;
    const int called = sd_bus_call_method_async(bus_, &slot, kLogind, path, interface, member,
                                                &reply<answered>, this, types, arguments...);
    if (called < 0) {
      query_.gap = std::strerror(-called);
      return;
    }
    query_.slots.emplace_back(slot);
    ++query_.unanswered;
  }
  void start_query();
  void session_by_pid(sd_bus_message* message);
  void user_by_pid(sd_bus_message* message);
  void display_session(sd_bus_message* message);
  void all_sessions(sd_bus_message* message);
  void session(sd_bus_message* message);
  void ask_session(const char* path);
  void finish_if_all_answered();
  bool is_answer(sd_bus_message* message);
  bool has_read(int result);
  void process();
  void wait();

  Logind& owner_;
  sd_bus* bus_ = nullptr;
  boost::asio::posix::stream_descriptor fd_;
  boost::asio::steady_timer timer_;
  Query query_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Logind::Bus::~Bus() {
  if (fd_.is_open()) fd_.release();  // it is the bus's
  query_ = {};
  sd_bus_close_unref(bus_);
}

int Logind::Bus::open() {
  if (const int opened = sd_bus_open_system(&bus_); opened < 0) return -opened;
  const auto hear = [this](const char* interface, const char* signal) {
    return sd_bus_match_signal_async(bus_, nullptr, kLogind, nullptr, interface, signal, &Bus::changed,
                                     nullptr, this);
  };
  for (const auto& [interface, signal] :
       {std::pair(kProperties, "PropertiesChanged"), std::pair(kManager, "SessionNew"),
        std::pair(kManager, "SessionRemoved")}) {
    if (const int heard = hear(interface, signal); heard < 0) return -heard;
  }
  fd_.assign(sd_bus_get_fd(bus_));
  ask();
  return 0;
}

void Logind::Bus::start_query() {
  query_ = {};  // nobody waits for the answers to earlier ones
  if (const auto* pid = std::get_if<uint32_t>(&owner_.target_)) {
    call<&Bus::session_by_pid>(kManagerPath, kManager, "GetSessionByPID", "u", *pid);
  } else if (std::holds_alternative<std::string>(owner_.target_)) {
    call<&Bus::all_sessions>(kManagerPath, kManager, "ListSessions", "");
  }
  if (!query_.gap.empty()) finish_if_all_answered();
}

// Whether it is one: of an error nothing follows, but where nobody is there to answer the first question.
bool Logind::Bus::is_answer(sd_bus_message* message) {
  const sd_bus_error* error = sd_bus_message_get_error(message);
  if (error == nullptr) return true;
  const std::string text = std::string(error->name) + ": " + (error->message ? error->message : "");
  if (query_.slots.size() == 1 && (is_error(message, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                                   is_error(message, SD_BUS_ERROR_NAME_HAS_NO_OWNER))) {
    owner_.tell_absent(text);
  } else {
    query_.gap = text;
  }
  return false;
}

bool Logind::Bus::has_read(int result) {
  if (result < 0) query_.gap = std::strerror(-result);
  return result >= 0;
}

void Logind::Bus::session_by_pid(sd_bus_message* message) {
  // What the user's own service manager runs is in no session; the user has one with a desktop.
  if (is_error(message, "org.freedesktop.login1.NoSessionForPID")) {
    return call<&Bus::user_by_pid>(kManagerPath, kManager, "GetUserByPID", "u",
                                   std::get<uint32_t>(owner_.target_));
  }
  const char* path = nullptr;
  if (is_answer(message) && has_read(sd_bus_message_read(message, "o", &path))) ask_session(path);
}

void Logind::Bus::user_by_pid(sd_bus_message* message) {
  const char* path = nullptr;
  if (is_error(message, "org.freedesktop.login1.NoUserForPID")) return;
  if (is_answer(message) && has_read(sd_bus_message_read(message, "o", &path))) {
    call<&Bus::display_session>(path, kProperties, "Get", "ss", kUser, "Display");
  }
}

void Logind::Bus::display_session(sd_bus_message* message) {
  const char* path = nullptr;
  if (is_gone(message) || !is_answer(message)) return;
  if (has_read(sd_bus_message_read(message, "v", "(so)", nullptr, &path)) && std::strcmp(path, "/") != 0) {
    ask_session(path);
  }
}

void Logind::Bus::all_sessions(sd_bus_message* message) {
  if (!is_answer(message) || !has_read(sd_bus_message_enter_container(message, 'a', "(susso)"))) return;
  const char* path = nullptr;
  while (sd_bus_message_read(message, "(susso)", nullptr, nullptr, nullptr, nullptr, &path) > 0) {
    ask_session(path);
  }
}

void Logind::Bus::ask_session(const char* path) {
  call<&Bus::session>(path, kProperties, "GetAll", "s", kSession);
}

void Logind::Bus::session(sd_bus_message* message) {
  if (is_gone(message) || !is_answer(message)) return;
  const LoginSession session = read_session(message);
  const auto* display = std::get_if<std::string>(&owner_.target_);
  const bool is_it = !session.is_closing && (display == nullptr || session.display == *display);
  // Of two on one display, that which is in the foreground.
  if (is_it && (!query_.found.is_known || session.state.active)) query_.found = session.state;
}

void Logind::Bus::finish_if_all_answered() {
  if (query_.unanswered > 0) return;
  const Query done = std::exchange(query_, {});
  if (!done.gap.empty()) return owner_.unanswered(done.gap);
  if (done.is_outdated) start_query();
  owner_.set_state(done.found);
}

void Logind::Bus::process() {
  int processed = 0;
  while ((processed = sd_bus_process(bus_, nullptr)) > 0) {
    owner_.had_bus_ = owner_.had_bus_ || sd_bus_is_ready(bus_) > 0;
  }
  if (processed < 0) return owner_.lose_bus(-processed);  // and this is gone
  wait();
}

void Logind::Bus::wait() {
  const auto come_round = [this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (!error && !alive.expired()) process();
  };
  fd_.cancel();
  timer_.cancel();
  const int events = sd_bus_get_events(bus_);
  uint64_t due_us = UINT64_MAX;  // CLOCK_MONOTONIC
  if (events < 0) {
    due_us = 0;  // it is closed, as process() will find
  } else {
    if ((events & POLLIN) != 0) fd_.async_wait(fd_.wait_read, come_round);
    if ((events & POLLOUT) != 0) fd_.async_wait(fd_.wait_write, come_round);
    sd_bus_get_timeout(bus_, &due_us);
  }
  if (due_us == UINT64_MAX) return;
  timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::microseconds(due_us)));
  timer_.async_wait(come_round);
}

Logind::Logind(boost::asio::io_context& io, Changed changed)
    : io_(io), changed_(std::move(changed)), retry_(io) {}

Logind::~Logind() = default;

void Logind::follow(Target target) {
  target_ = std::move(target);
  const bool is_none = std::holds_alternative<std::monostate>(target_);
  state_ = {.is_awaited = !is_none};
  if (!is_none) changed_(state_);
  if (bus_) {
    bus_->ask();
  } else if (!is_none) {
    connect();
  }
}

void Logind::connect() {
  bus_ = std::make_unique<Bus>(*this);
  if (const int error = bus_->open(); error != 0) lose_bus(error);
}

void Logind::tell_absent(const std::string& why) {
  if (std::exchange(told_absent_, true)) return;
  spdlog::info("no logind, so nobody tells when a desktop is locked or another user's turn comes: {}", why);
}

void Logind::set_state(SessionState state) {
  told_trouble_ = false;
  if (std::exchange(state_, state) != state) changed_(state);
}

void Logind::unanswered(const std::string& why) {
  if (!std::exchange(told_trouble_, true)) {
    spdlog::warn("logind does not answer ({}): {}", why,
                 state_.is_awaited ? "nothing of the desktop is captured until it does"
                                   : "what it said last of the desktop's session holds");
  }
  retry_later();
}

// What was known holds until the bus is there again: a desktop that was locked stays so. One that hangs, or
// that was there once, is not absent.
void Logind::lose_bus(int error) {
  bus_.reset();
  if (!had_bus_ && is_refusal(error)) {
    tell_absent(std::strerror(error));
    return set_state({});
  }
  if (!std::exchange(told_trouble_, true)) {
    spdlog::warn("no connection to logind's bus: {}; it is tried again and again", std::strerror(error));
  }
  retry_later();
}

void Logind::retry_later() {
  retry_.expires_after(kRetry);
  retry_.async_wait([this](boost::system::error_code error) {
    if (error || std::holds_alternative<std::monostate>(target_)) return;
    if (bus_) {
      bus_->ask();
    } else {
      connect();
    }
  });
}

}  // namespace framering::daemon
