#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/png.h"

namespace framering::cli {

namespace {

std::string describe(const Frame& frame, const std::string& source, const GrabOptions& options) {
  const nlohmann::ordered_json about = {{"output", options.output},        {"source", source},
                                        {"width", frame.width()},          {"height", frame.height()},
                                        {"format", name(frame.format())},  {"sequence", frame.sequence()},
                                        {"capture_ns", frame.capture_ns()}};
  return about.dump(-1, ' ', false,
                    nlohmann::ordered_json::error_handler_t::replace);  // a path may be any bytes
}

}  // namespace

int grab(const std::string& socket, const GrabOptions& options) {
  const bool to_stdout = options.output == "-";
  if (to_stdout && isatty(STDOUT_FILENO)) {
    throw Error(ErrorCode::invalid_argument, "standard output is a terminal, which shows no pictures",
                "redirect it, or name a file with -o");
  }
  Connection connection = Connection::connect(socket, "framering grab");
  const std::string source = find_source(connection, options.source);
  Stream stream = connection.open(
      {.source = source, .cursor = options.cursor ? CursorMode::embedded : CursorMode::hidden});
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(options.timeout_s));
  // Again where the conversion took longer than the lease.
  while (const auto frame = stream.latest(deadline - Clock::now())) {
    const Picture picture = to_picture(*frame);
    if (frame->valid()) {
      write_output(options.output, encode_png(picture));
      if (options.json)
        std::fprintf(to_stdout ? stderr : stdout, "%s\n", describe(*frame, source, options).c_str());
      return kOk;
    }
    if (Clock::now() >= deadline) break;
  }
  std::ostringstream message;
  message << "no frame of " << source << " within " << options.timeout_s << " s";
  throw Error(ErrorCode::timeout, message.str(), "is its X server stopped or busy? --timeout waits longer");
}

}  // namespace framering::cli
