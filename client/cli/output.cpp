#include "client/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include "framering/error.h"

namespace framering::cli {

namespace {

namespace fs = std::filesystem;

Error cannot_write(const std::string& what, int error) {
  return {ErrorCode::internal, "cannot write " + what + ": " + std::strerror(error)};
}

void write_all(std::FILE* file, std::span<const unsigned char> bytes, const std::string& what) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() || std::fflush(file) != 0) {
    throw cannot_write(what, errno);
  }
}

void write_file(const fs::path& path, const char* mode, std::span<const unsigned char> bytes,
                const std::string& what) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), mode), std::fclose);
  if (!file) throw cannot_write(what, errno);
  write_all(file.get(), bytes, what);
}

// Writes beside the file and takes its place.
void replace_file(const std::string& path, const fs::file_status& status,
                  std::span<const unsigned char> bytes) {
  std::error_code error;
  // Where a link leads, so that the link stays.
  const fs::path target = fs::exists(status) ? fs::canonical(path, error) : fs::path(path);
  if (error) throw cannot_write(path, error.value());
  const fs::path part = target.string() + "." + std::to_string(getpid()) + ".part";
  try {
    write_file(part, "wbx", bytes, path);
    if (fs::exists(status)) fs::permissions(part, status.permissions(), error);
    fs::rename(part, target, error);
    if (error) throw cannot_write(path, error.value());
  } catch (const Error&) {
    fs::remove(part, error);
    throw;
  }
}

}  // namespace

void write_output(const std::string& path, std::span<const unsigned char> bytes) {
  if (path == "-") return write_all(stdout, bytes, "to standard output");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  // A pipe or a device keeps its place.
  if (fs::exists(status) && !fs::is_regular_file(status)) return write_file(path, "wb", bytes, path);
  replace_file(path, status, bytes);
}

void flush_standard_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw cannot_write("to standard output", errno);
}

}  // namespace framering::cli
