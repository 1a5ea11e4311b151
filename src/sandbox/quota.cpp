#include "quota.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gpuwarden::sandbox {
namespace {

bool over(MonoTime began, long seconds, MonoTime now) {
  return now >= began + std::chrono::seconds(seconds);
}

}  // namespace

Quota::Quota(long per_minute)
    : windows_{Window{"minute", 60, per_minute, 0, {}}, Window{"hour", 3600, per_minute * 50, 0, {}},
               Window{"day", 86400, per_minute * 50000 / 60, 0, {}}} {}

void Quota::set_per_minute(long per_minute) {
  windows_.front().quota = per_minute;
}

std::optional<Quota::Exceeded> Quota::spend(MonoTime now) {
  for (auto& window : windows_) {
    if (window.used == 0 || over(window.began, window.seconds, now)) {
      window.used = 0;
      window.began = now;
    }
    if (window.used >= window.quota) return Exceeded{window.name, std::max(1L, left_s(window, now))};
  }
  for (auto& window : windows_) ++window.used;
  return std::nullopt;
}

long Quota::left_s(const Window& window, MonoTime now) const {
  const auto left = window.began + std::chrono::seconds(window.seconds) - now;
  return std::max(0L, static_cast<long>(std::chrono::ceil<std::chrono::seconds>(left).count()));
}

std::string Quota::rate_limit_header(MonoTime now) const {
  std::string text;
  for (const auto& window : windows_) {
    const bool fresh = window.used == 0 || over(window.began, window.seconds, now);
    const long remaining = std::max(0L, fresh ? window.quota : window.quota - window.used);
    text += fmt::format("{}\"{}\";r={};t={}", text.empty() ? "" : ", ", window.name, remaining,
                        fresh ? window.seconds : left_s(window, now));
  }
  return text;
}

std::string Quota::policy_header() const {
  std::string text;
  for (const auto& window : windows_)
    text += fmt::format("{}\"{}\";q={};w={}", text.empty() ? "" : ", ", window.name, window.quota,
                        window.seconds);
  return text;
}

}  // namespace gpuwarden::sandbox
