#include <CLI/CLI.hpp>
#include <charconv>
#include <clocale>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/output.h"

namespace framering::cli {
namespace {

constexpr const char* kFooter = R"(Examples:
  framering list                      what there is, and who reads it
  framering grab -o desktop.png       a picture of the desktop
  framering watch                     how fast frames arrive
  framering top                       all streams and clients, live
  framering doctor                    why it does not work
  framering mss -m 1 -o one.png       as python-mss's command does, by the Python package

The socket is --socket, else $FRAMERING_SOCKET, else framering/socket in $XDG_RUNTIME_DIR if it is there, else
/run/framering/socket. `framering COMMAND --help` tells of a command.

Exit codes:
  0  done
  1  failed: nothing of that name, not allowed, cannot write, ...
  2  wrong command line
  3  no daemon there, or its source cannot be captured now
  4  no frame, or no answer of the daemon, in time
  5  the stream ended while it was watched
  6  doctor: all works, with warnings)";

constexpr const char* kListFooter =
    R"(Each SOURCE, MONITOR and WINDOW is what grab and watch take. Windows come as they lie, the topmost first.

Examples:
  framering list
  framering list --watch
  framering list --json | jq -r '.windows[] | select(.active).title')";

constexpr const char* kGrabFooter = R"(Examples:
  framering grab -o desktop.png
  framering grab --monitor 1 --cursor -o monitor.png
  framering grab --window Firefox -o firefox.png
  framering grab --region 0,0,640x480 -o part.png
  framering grab test:640x480@30 -o - | display)";

constexpr const char* kWatchFooter =
    R"(Once a second: the size, frames a second, frames missed, the age of frames on arrival (since their capture
was requested; median and 99 %) and how much of the picture changed from frame to frame. Totals at the end.

Examples:
  framering watch
  framering watch --window Firefox
  framering watch --mode every --duration 10 --json)";

constexpr const char* kCompletionFooter = R"(Examples:
  source <(framering completion bash)
  framering completion bash > ~/.local/share/bash-completion/completions/framering
  framering completion zsh > "${fpath[1]}/_framering"
  framering completion fish > ~/.config/fish/completions/framering.fish)";

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::unavailable:
    case ErrorCode::disconnected:
      return kNoDaemon;
    case ErrorCode::timeout:
      return kTimeout;
    case ErrorCode::stream_ended:
      return kEnded;
    case ErrorCode::invalid_argument:
      return kUsage;
    default:
      return kFailed;
  }
}

// For CLI11: what is wrong with the text.
std::string check_seconds(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && seconds > 0 && seconds <= 1e9 ? ""
                                                    : text + " is no number of seconds above 0, up to 1e9";
}

// What the command line asks for; CLI11 fills the options before it is run.
struct Parser {
  CLI::App app{"Lists, saves and watches what a frameringd captures.", "framering"};
  const std::string program;  // argv[0]
  std::string socket;
  ListOptions list_options;
  GrabOptions grab_options;
  WatchOptions watch_options;
  StatsOptions stats_options;
  TopOptions top_options;
  DoctorOptions doctor_options;
  PolicyOptions policy_options;
  std::string mode = "latest";
  std::string shell;
  std::vector<std::string> mss_arguments;
  std::function<int()> run;

  explicit Parser(const char* argv0) : program(argv0) {
    app.footer(kFooter);
    app.set_version_flag("--version", std::string("framering ") + version, "Print the version and exit");
    app.set_help_flag("-h,--help", "Print this text and exit");
    app.require_subcommand(1);
    app.fallthrough();  // --socket may stand behind the command too
    app.add_option("--socket", socket, "The daemon's socket")->type_name("PATH");
    add_list();
    add_grab();
    add_watch();
    add_stats();
    add_top();
    add_doctor();
    add_policy();
    add_reload();
    add_mss();
    add_completion();
  }

  void add_list() {
    auto* command = app.add_subcommand("list", "Streams, who reads them, monitors and windows");
    command->add_flag("--watch", list_options.watch, "Again whenever something of it changes, until Ctrl-C");
    command->add_flag("--sources", list_options.sources, "One source a line, a tab, and what it is");
    command->add_flag("--json", list_options.json,
                      "One JSON object; with --watch one a line for each change");
    command->footer(kListFooter);
    command->callback([this] { run = [this] { return list(socket, list_options); }; });
  }

  // One of four ways to say it.
  static void add_source(CLI::App& command, SourceOptions& options, const std::string& what) {
    auto* source = command.add_option("SOURCE", options.source, what)->type_name("");
    auto* window =
        command.add_option("--window", options.window, "The window with this in its title or class, or 0xID")
            ->type_name("TEXT");
    auto* monitor = command.add_option("--monitor", options.monitor, "The monitor of this name or number")
                        ->type_name("NAME");
    auto* region =
        command.add_option("--region", options.region, "A part of the desktop")->type_name("X,Y,WxH");
    window->excludes(source);
    monitor->excludes(source, window);
    region->excludes(source, window, monitor);
  }

  void add_grab() {
    auto* command = app.add_subcommand("grab", "Save the newest frame as a PNG picture");
    add_source(*command, grab_options.source, "What to grab [screen]");
    command->add_option("-o,--output", grab_options.output, "The file; - is standard output")
        ->type_name("FILE")
        ->required();
    command->add_option("--timeout", grab_options.timeout_s, "How long to wait for a frame [5]")
        ->type_name("SECONDS")
        ->check(check_seconds);
    command->add_flag("--cursor", grab_options.cursor, "With the pointer in it");
    command->add_flag("--json", grab_options.json, "Tell of the frame as JSON, on standard error with -o -");
    command->footer(kGrabFooter);
    command->callback([this] { run = [this] { return grab(socket, grab_options); }; });
  }

  void add_watch() {
    auto* command = app.add_subcommand("watch", "Read a stream and tell of it once a second, until Ctrl-C");
    add_source(*command, watch_options.source, "What to watch [screen]");
    command->add_option("--mode", mode, "latest: the newest wins; every: in order [latest]")
        ->type_name("latest|every")
        ->check(CLI::IsMember({"latest", "every"}).description(""));
    command->add_option("--duration", watch_options.duration_s, "End after this long")
        ->type_name("SECONDS")
        ->check(check_seconds);
    command->add_flag("--json", watch_options.json,
                      "One JSON object a line; the last one has \"total\": true");
    command->footer(kWatchFooter);
    command->callback([this] {
      watch_options.mode = mode == "every" ? Mode::every : Mode::latest;
      run = [this] { return watch(socket, watch_options); };
    });
  }

  void add_stats() {
    auto* command = app.add_subcommand("stats", "What the daemon has counted, as text for Prometheus");
    command->add_flag("--json", stats_options.json, "One JSON object, a member for each metric");
    command->footer(
        "Examples:\n  framering stats | grep dropped\n"
        "  framering stats --json | jq '.framering_clients.samples[0].value'");
    command->callback([this] { run = [this] { return stats(socket, stats_options); }; });
  }

  void add_top() {
    auto* command =
        app.add_subcommand("top", "Streams and clients, live; plain lines where there is no terminal");
    command->add_option("--interval", top_options.interval_s, "How often to look [1]")
        ->type_name("SECONDS")
        ->check(check_seconds);
    command->add_option("--count", top_options.count, "End after looking this often")->type_name("N");
    command->footer(
        "Keys: q quits; n, f, a, d, l sort by name, fps, age, drops, leases.\n\n"
        "Examples:\n  framering top\n  framering top --count 1 | cat");
    command->callback([this] { run = [this] { return top(socket, top_options); }; });
  }

  void add_doctor() {
    auto* command = app.add_subcommand("doctor", "What works here, what does not, and what to do about it");
    command->add_flag("--json", doctor_options.json, "One JSON object");
    command->footer(
        "Reads a stream for a second and tells how fast frames came.\n"
        "Exit codes: 0 all works, 6 with warnings, 1 something is broken.\n\n"
        "Examples:\n  framering doctor\n  framering doctor --json | jq '.checks[] | select(.fix)'");
    command->callback([this] { run = [this] { return doctor(socket, doctor_options); }; });
  }

  void add_policy() {
    auto* command = app.add_subcommand("policy", "What the daemon's policy allows");
    command->require_subcommand(1);
    auto* check =
        command->add_subcommand("check", "Whether a user may read a source, and which rule says so");
    check->add_option("SOURCE", policy_options.source, "What to ask for")->type_name("")->required();
    check->add_option("--uid", policy_options.uid, "For whom [yourself]; others are for root to ask for")
        ->type_name("UID");
    check->footer(
        "Exit codes: 0 allowed, 1 denied.\n\nExamples:\n  framering policy check screen\n"
        "  sudo framering policy check --uid 1001 window:active");
    check->callback([this] { run = [this] { return policy_check(socket, policy_options); }; });
  }

  void add_reload() {
    auto* command = app.add_subcommand("reload", "Have the daemon read its configuration again");
    command->footer(
        "Policy, quotas and log level change at once; the rest needs a restart. An invalid configuration is\n"
        "refused with line and column, and the daemon goes on as it was. For root and the daemon's\n"
        "user.\n\nExamples:\n  sudo framering reload");
    command->callback([this] { run = [this] { return reload(socket); }; });
  }

  void add_mss() {
    auto* command = app.add_subcommand("mss", "The mss command: -m MONITOR, -c COORDINATES, -o FILE, ...");
    // Everything behind the word is the other program's.
    command->set_help_flag();
    command->fallthrough(false);
    command->prefix_command();
    command->callback([this, command] {
      mss_arguments = command->remaining();
      run = [this] { return mss(program, socket, mss_arguments); };
    });
  }

  void add_completion() {
    auto* command = app.add_subcommand("completion", "Print a completion script for your shell");
    command->add_option("SHELL", shell, "bash, zsh or fish")
        ->type_name("")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""));
    command->footer(kCompletionFooter);
    command->callback([this] { run = [this] { return completion(shell); }; });
  }

  int refuse(const CLI::ParseError& error) const {
    const auto commands = app.get_subcommands();
    const auto unknown = app.remaining();
    std::string message = error.what();
    if (commands.empty() && error.get_name() == "RequiredError") {
      message = unknown.empty()
                    ? "a command is missing: list, grab, watch, stats, top, doctor, policy, reload, mss or "
                      "completion"
                    : "there is no command or option " + unknown.front();
    }
    if (error.get_name() == "ArgumentMismatch")
      message = message.substr(0, message.find(':')) + " takes one value";
    const std::string command = commands.empty() ? "" : " " + commands.front()->get_name();
    std::fprintf(stderr, "framering: %s\n  see framering%s --help\n", message.c_str(), command.c_str());
    return kUsage;
  }
};

int refuse(const Error& error) {
  std::fprintf(stderr, "framering: %s\n", error.what());
  if (!error.hint().empty()) std::fprintf(stderr, "  %s\n", error.hint().c_str());
  return exit_code(error.code());
}

int run_command(int argc, char** argv) {
  Parser parser(argc > 0 ? argv[0] : "");
  try {
    parser.app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return parser.app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    return parser.refuse(error);
  }
  const int code = parser.run();
  flush_standard_output();
  return code;
}

}  // namespace
}  // namespace framering::cli

int main(int argc, char** argv) {
  using namespace framering::cli;
  std::setlocale(LC_CTYPE, "");  // how wide characters are on this terminal
  try {
    return run_command(argc, argv);
  } catch (const framering::Error& error) {
    return refuse(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "framering: %s\n", error.what());
    return kFailed;
  }
}
