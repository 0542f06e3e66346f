// Where pictures and lines go. All throw framering::Error if not everything could be written.
#pragma once

#include <span>
#include <string>

namespace framering::cli {

// "-" is standard output. A file is replaced as a whole once everything is written: nobody sees half of it,
// and what was there before stays if this fails.
void write_output(const std::string& path, std::span<const unsigned char> bytes);

// What was printed so far.
void flush_standard_output();

}  // namespace framering::cli
