// Any bytes: the stream cuts the same lines however they arrive, counts all of them, and whatever parses can
// be written and read again.

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gpuwarden/bootstrap/status_line.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_line(std::string_view text) {
  using namespace gpuwarden::bootstrap;
  const auto line = parse_status_line(text);
  if (!line) return;
  require(text.size() <= kLongestStatusLine);
  const std::string written = format_status_line(*line);
  if (written.size() > kLongestStatusLine) return;
  const auto again = parse_status_line(written);
  require(again.has_value());
  require(again->step == line->step && again->event == line->event && again->tail == line->tail);
  require(again->worker == line->worker && again->exit_code == line->exit_code &&
          again->check == line->check);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_line(text);
  check_line("@gpuwarden " + std::string(text));
  gpuwarden::bootstrap::StatusStream whole;
  gpuwarden::bootstrap::StatusStream parts;
  const std::vector<std::string> lines = whole.feed(text);
  std::vector<std::string> same;
  const std::size_t step = size == 0 ? 1 : 1 + bytes[0] % 17;
  for (std::size_t at = 0; at < size; at += step) {
    for (std::string& line : parts.feed(text.substr(at, step))) same.push_back(std::move(line));
  }
  require(lines == same && whole.offset() == parts.offset());
  const std::size_t last = text.rfind('\n');
  require(whole.offset() == (last == std::string_view::npos ? 0 : last + 1));
  for (const std::string& line : lines) check_line(line);
  return 0;
}
