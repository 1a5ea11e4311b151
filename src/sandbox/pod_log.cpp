#include "pod_log.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"

namespace gpuwarden::sandbox {
namespace {

constexpr std::size_t kKeptLines = 10000;
constexpr long kMaxTail = 5000;

std::optional<long> number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

tl::expected<LogFilter, std::vector<std::string>> parse_log_query(
    const std::multimap<std::string, std::string>& query, std::optional<std::string_view> last_event_id) {
  LogFilter filter;
  std::vector<std::string> errors;
  if (const auto source = query.find("source"); source != query.end()) {
    if (source->second != "container" && source->second != "system")
      errors.emplace_back("source: value must be one of 'container', 'system'");
    filter.source = source->second;
  }
  if (const auto tail = query.find("tail"); tail != query.end()) {
    const auto value = number(tail->second);
    if (!value || *value < 0 || *value > kMaxTail)
      errors.push_back(fmt::format("tail: got '{}', want 0..{}", tail->second, kMaxTail));
    else
      filter.tail = static_cast<std::size_t>(*value);
  }
  if (last_event_id) {
    // "<time>/<number>" as sent in `id:`; a bare time is taken too.
    const auto slash = last_event_id->find('/');
    if (slash != std::string_view::npos)
      filter.after =
          static_cast<std::uint64_t>(std::max(0L, number(last_event_id->substr(slash + 1)).value_or(0)));
    else
      filter.since = parse_time(*last_event_id);
  } else if (const auto since = query.find("since"); since != query.end()) {
    filter.since = parse_time(since->second);
    if (!filter.since) errors.push_back(fmt::format("since: '{}' is not a valid date-time", since->second));
  }
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return filter;
}

void PodLog::add(std::string source, std::string text, WallTime time) {
  lines_.push_back({std::move(source), std::move(text), time, next_++});
  if (lines_.size() > kKeptLines) lines_.pop_front();
}

std::vector<LogLine> PodLog::select(const LogFilter& filter) const {
  std::vector<LogLine> found;
  for (auto line = lines_.rbegin(); line != lines_.rend() && found.size() < filter.tail; ++line) {
    if (line->number <= filter.after) break;
    if (filter.since && line->time <= *filter.since) break;
    if (filter.source.empty() || line->source == filter.source) found.push_back(*line);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

std::string to_event(const LogLine& line) {
  const auto time = format_time_ms(line.time);
  const nlohmann::json data{{"source", line.source}, {"line", line.text}, {"ts", time}};
  return fmt::format("id: {}/{:012}\ndata: {}\n\n", time, line.number,
                     data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace gpuwarden::sandbox
