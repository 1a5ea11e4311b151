#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/runpod/codec.hpp"

#include "lenient_json.hpp"

namespace gpuwarden::runpod {
namespace {

constexpr std::size_t kLongestEvent = 262'144;

}  // namespace

void LogParser::feed(std::string_view chunk) {
  while (!chunk.empty()) {
    const std::size_t end = chunk.find('\n');
    const std::string_view part = chunk.substr(0, end);
    pending_.append(part.substr(0, kLongestEvent - std::min(kLongestEvent, pending_.size())));
    if (end == std::string_view::npos) return;
    line(pending_);
    pending_.clear();
    chunk.remove_prefix(end + 1);
  }
}

void LogParser::line(std::string_view text) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return end_event();
  constexpr std::string_view kData = "data:";
  if (!text.starts_with(kData)) return;
  text.remove_prefix(kData.size());
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (!data_.empty()) data_.push_back('\n');
  data_.append(text.substr(0, kLongestEvent - std::min(kLongestEvent, data_.size())));
}

void LogParser::end_event() {
  const std::string data = std::exchange(data_, std::string());
  if (data.empty()) return;
  const auto event = nlohmann::json::parse(data, nullptr, false);
  const auto* text = member(event, "line");
  if (text == nullptr || !text->is_string()) return;
  PodLogLine entry;
  entry.source = text_at(event, "source");
  entry.line = text->get<std::string>();
  if (const std::string time = text_at(event, "ts"); !time.empty()) entry.time = parse_time(time);
  lines_.push_back(std::move(entry));
}

std::vector<PodLogLine> LogParser::take() {
  if (!pending_.empty()) {
    line(pending_);
    pending_.clear();
  }
  end_event();
  return std::exchange(lines_, {});
}

}  // namespace gpuwarden::runpod
