#include "simulation/quota.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gpuwarden::simulation {

bool Quota::over(const Window& window, MonoTime now) {
  return window.used == 0 || now >= window.began + std::chrono::seconds(window.seconds);
}

long Quota::left_s(const Window& window, MonoTime now) {
  const auto left = window.began + std::chrono::seconds(window.seconds) - now;
  return std::max(0L, static_cast<long>(std::chrono::ceil<std::chrono::seconds>(left).count()));
}

std::optional<Quota::Exceeded> Quota::spend(MonoTime now) {
  for (Window& window : windows_) {
    if (over(window, now)) {
      window.used = 0;
      window.began = now;
    }
    if (window.used >= window.quota) return Exceeded{window.name, std::max(1L, left_s(window, now))};
  }
  for (Window& window : windows_) ++window.used;
  return std::nullopt;
}

std::string Quota::rate_limit(MonoTime now) const {
  std::string text;
  for (const Window& window : windows_) {
    const bool fresh = over(window, now);
    text += fmt::format("{}\"{}\";r={};t={}", text.empty() ? "" : ", ", window.name,
                        std::max(0L, fresh ? window.quota : window.quota - window.used),
                        fresh ? window.seconds : left_s(window, now));
  }
  return text;
}

std::string Quota::policy() const {
  std::string text;
  for (const Window& window : windows_) {
    text += fmt::format("{}\"{}\";q={};w={}", text.empty() ? "" : ", ", window.name, window.quota,
                        window.seconds);
  }
  return text;
}

}  // namespace gpuwarden::simulation
