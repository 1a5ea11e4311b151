#include <array>

#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/ops/alerts.hpp"

#include "json_parts.hpp"

namespace gpuwarden::ops {
namespace {

constexpr std::size_t kLongestText = 1800;  // Discord refuses more than 2,000 characters
constexpr std::size_t kLongestPart = 500;

/// What a worker printed must not ring everybody's phone: "@here" and "<!channel>" get a zero-width space.
std::string without_calls(std::string text) {
  constexpr std::string_view kGap = "\u200b";
  constexpr std::array<std::string_view, 6> kCalls{"<!", "<@", "@here", "@everyone", "@channel", "@all"};
  for (const std::string_view call : kCalls) {
    for (std::size_t at = text.find(call); at != std::string::npos; at = text.find(call, at + 1))
      text.insert(at + 1, kGap);
  }
  return text;
}

}  // namespace

std::string alert_json(const Alert& alert, std::string_view owner, const Redactor& redactor) {
  const auto clean = [&](std::string_view text) {
    return ellipsize(printable(redactor.redact(text)), kLongestPart);
  };
  const std::string evidence = clean(alert.evidence);
  const std::string advice = clean(alert.advice);
  std::string text = fmt::format("gpuwarden ({}): {}", owner, clean(alert.text));
  if (!evidence.empty() && alert.text.find(alert.evidence) == std::string::npos)
    text += fmt::format(" Evidence: {}.", evidence);
  if (!advice.empty()) text += fmt::format(" What to do: {}.", advice);
  if (alert.more > 0) text += fmt::format(" ({} more like it since the last message.)", alert.more);
  text = ellipsize(without_calls(std::move(text)), kLongestText);
  return dump(Json{{"text", text},
                   {"content", text},
                   {"event", alert.event},
                   {"owner", owner},
                   {"worker", alert.worker},
                   {"cause", alert.cause},
                   {"evidence", evidence},
                   {"advice", advice},
                   {"more", alert.more},
                   {"time", format_time(alert.at)}});
}

}  // namespace gpuwarden::ops
