// Follows the session of a desktop in logind, over the system's D-Bus: whether it is in the foreground, and
// locked. Where there is no logind nothing is followed, which the log says once, and everything else works.
// One that is there, or once was, but does not answer is asked again and again, and what was known holds, be
// it nothing. Io thread only; never waits for the bus.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace framering::daemon {

// What is known of the desktop's session.
struct SessionState {
  bool is_known = false;    // logind has one
  bool is_awaited = false;  // logind has not said yet whether it has
  bool active = true;       // in the foreground of its seat
  bool locked = false;
  uint32_t uid = 0;  // whose it is, if it is known

  friend bool operator==(const SessionState&, const SessionState&) = default;
};

class Logind {
 public:
  // The session that this process is in, or the one on this X display (":0"), or none.
  using Target = std::variant<std::monostate, uint32_t, std::string>;
  using Changed = std::function<void(const SessionState&)>;

  // `changed` is called after each change of what is known, and with what is awaited in follow().
  Logind(boost::asio::io_context& io, Changed changed);
  ~Logind();
  Logind(const Logind&) = delete;
  Logind& operator=(const Logind&) = delete;

  // From now on; forgets what was known of another. Calls `changed`, unless it is none.
  void follow(Target target);

 private:
  class Bus;

  void connect();
  void tell_absent(const std::string& why);
  void set_state(SessionState state);
  void unanswered(const std::string& why);
  void lose_bus(int error);
  void retry_later();

  boost::asio::io_context& io_;
  const Changed changed_;
  Target target_;
  SessionState state_;
  bool had_bus_ = false;  // which let this process in
  bool told_absent_ = false;
  bool told_trouble_ = false;  // since logind last answered
  boost::asio::steady_timer retry_;
  std::unique_ptr<Bus> bus_;
};

}  // namespace framering::daemon
