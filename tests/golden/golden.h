// Bytes that were committed once and must not change: tests/golden/NAME.hex, 16 bytes a line after their
// offset. FRAMERING_WRITE_GOLDEN=1 writes the files that are missing; a file that exists is never
// overwritten.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace framering::testing {

// On failure says where the bytes differ, and `what_to_do`.
::testing::AssertionResult matches_golden(const std::string& name, std::span<const std::byte> bytes,
                                          const std::string& what_to_do);

// Empty where there is no such file.
std::vector<std::byte> read_golden(const std::string& name);

}  // namespace framering::testing
