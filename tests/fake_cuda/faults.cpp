#include "tests/fake_cuda/faults.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <sstream>
#include <string_view>
#include <vector>

#include "tests/fake_cuda/settings.h"

namespace fake_cuda {

namespace {

struct Rule {
  std::string call;
  CUresult result = CUDA_SUCCESS;
  uint64_t first = 1;  // the call, counted from 1, that is the first to fail
  uint64_t calls = 0;
};

uint64_t parse_number(std::string_view text, const std::string& rule) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    senseless("'" + rule + "' is no fault: write CALL=RESULT or CALL=RESULT@N");
  return number;
}

// "cuMemCreate=2,cuStreamSynchronize=719@10"
std::vector<Rule> parse_rules(const std::string& text) {
  std::vector<Rule> rules;
  std::stringstream list(text);
  std::string item;
  while (std::getline(list, item, ',')) {
    while (!item.empty() && std::isspace(static_cast<unsigned char>(item.back()))) item.pop_back();
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string::npos) senseless("'" + item + "' is no fault: write CALL=RESULT");
    const std::string_view value = std::string_view(item).substr(equals + 1);
    const size_t at = value.find('@');
    Rule rule;
    rule.call = item.substr(0, equals);
    rule.result = static_cast<CUresult>(parse_number(value.substr(0, at), item));
    if (at != std::string_view::npos) rule.first = parse_number(value.substr(at + 1), item);
    rules.push_back(rule);
  }
  return rules;
}

// The whole file, "" where there is none: a test makes it when it wants a fault.
std::string read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno != ENOENT) senseless(path + ": " + std::strerror(errno));
    return {};
  }
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(got));
  close(fd);
  return text;
}

class Faults {
 public:
  static Faults& get() {
    static Faults* instance = new Faults;
    return *instance;
  }

  CUresult result_of(const std::string& call, bool needs_device) {
    std::lock_guard lock(mutex_);
    if (!settings().control_file.empty()) {
      if (std::string text = read_file(settings().control_file); text != control_text_) {
        control_rules_ = parse_rules(text);
        control_text_ = std::move(text);
      }
    }
    const CUresult controlled = apply(control_rules_, call, needs_device);
    const CUresult fixed = apply(rules_, call, needs_device);
    return controlled != CUDA_SUCCESS ? controlled : fixed;
  }

 private:
  static CUresult apply(std::vector<Rule>& rules, const std::string& call, bool needs_device) {
    CUresult result = CUDA_SUCCESS;
    for (Rule& rule : rules) {
      if (rule.call != call && !(rule.call == "*" && needs_device)) continue;
      if (++rule.calls >= rule.first && result == CUDA_SUCCESS) result = rule.result;
    }
    return result;
  }

  std::mutex mutex_;
  std::vector<Rule> rules_ = parse_rules(settings().faults);
  std::vector<Rule> control_rules_;
  std::string control_text_;
};

}  // namespace

std::string plain_name(const char* call) {
  std::string name = call;
  const size_t suffix = name.rfind("_v");
  return suffix == std::string::npos ? name : name.substr(0, suffix);
}

CUresult begin_call(const char* call, bool needs_device) {
  const std::string name = plain_name(call);
  record(name);
  return Faults::get().result_of(name, needs_device);
}

void record(const std::string& what) {
  if (settings().log_file.empty()) return;
  static const int fd = open(settings().log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) senseless(settings().log_file + " cannot be written");
  const std::string line = std::to_string(getpid()) + " " + what + "\n";
  // One write a line: several processes may share the file.
  if (write(fd, line.data(), line.size()) < 0) senseless(settings().log_file + " cannot be written");
}

bool is_sticky(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace fake_cuda
