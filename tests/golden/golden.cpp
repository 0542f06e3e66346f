#include "tests/golden/golden.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace framering::testing {

namespace {

constexpr size_t kBytesPerLine = 16;

std::filesystem::path file_of(const std::string& name) {
  return std::filesystem::path(GOLDEN_FOLDER) / (name + ".hex");
}

std::string line_at(std::span<const std::byte> bytes, size_t offset) {
  char text[16];
  std::snprintf(text, sizeof text, "%04zx ", offset);
  std::string line = text;
  for (size_t i = offset; i < std::min(offset + kBytesPerLine, bytes.size()); ++i) {
    std::snprintf(text, sizeof text, " %02x", static_cast<unsigned>(bytes[i]));
    line += text;
  }
  return line;
}

void write(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file);
  for (size_t offset = 0; offset < bytes.size(); offset += kBytesPerLine) {
    out << line_at(bytes, offset) << '\n';
  }
}

}  // namespace

std::vector<std::byte> read_golden(const std::string& name) {
  std::vector<std::byte> bytes;
  std::ifstream in(file_of(name));
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;  // the offset, for readers
    while (words >> word) bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
  }
  return bytes;
}

::testing::AssertionResult matches_golden(const std::string& name, std::span<const std::byte> bytes,
                                          const std::string& what_to_do) {
  const std::filesystem::path file = file_of(name);
  if (!std::filesystem::exists(file)) {
    if (!std::getenv("FRAMERING_WRITE_GOLDEN")) {
      return ::testing::AssertionFailure()
             << "there is no " << file
             << ": run this test with FRAMERING_WRITE_GOLDEN=1 and commit what it writes";
    }
    write(file, bytes);
  }
  const std::vector<std::byte> golden = read_golden(name);
  const auto [ours, theirs] = std::mismatch(bytes.begin(), bytes.end(), golden.begin(), golden.end());
  if (ours == bytes.end() && theirs == golden.end()) return ::testing::AssertionSuccess();
  const size_t offset = static_cast<size_t>(ours - bytes.begin()) / kBytesPerLine * kBytesPerLine;
  return ::testing::AssertionFailure()
         << "the bytes are no longer those of " << file << "\n  committed " << golden.size()
         << " bytes: " << line_at(golden, offset) << "\n  now       " << bytes.size()
         << " bytes: " << line_at(bytes, offset) << "\n"
         << what_to_do;
}

}  // namespace framering::testing
