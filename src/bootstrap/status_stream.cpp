#include <utility>

#include "gpuwarden/bootstrap/status_line.hpp"

namespace gpuwarden::bootstrap {

std::vector<std::string> StatusStream::feed(std::string_view chunk) {
  std::vector<std::string> lines;
  while (!chunk.empty()) {
    const std::size_t end = chunk.find('\n');
    const bool complete = end != std::string_view::npos;
    const std::string_view part = chunk.substr(0, end);
    // One byte more than a line may have, so that a cut line is seen to be too long.
    const std::size_t room = kLongestStatusLine + 1 - partial_.size();
    partial_.append(part.substr(0, room));
    pending_ += part.size();
    if (!complete) break;
    offset_ += pending_ + 1;
    pending_ = 0;
    if (partial_.ends_with('\r')) partial_.pop_back();
    if (partial_.size() > kLongestStatusLine) partial_.resize(kLongestStatusLine);
    lines.push_back(std::exchange(partial_, {}));
    chunk.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace gpuwarden::bootstrap
