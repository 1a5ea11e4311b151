#include "beacon.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace gpuwarden::control {
namespace {

/// What the oldest of a long row of lost requests left behind costs three reads, should it turn up.
constexpr std::size_t kMostSent = 64;

}  // namespace

std::string Beacon::fresh(std::uint64_t random, std::string_view holder) {
  std::string value = fmt::format("{:016x} {}", random, holder);
  if (sent_.size() >= kMostSent) sent_.erase(sent_.begin() + (sent_.front().answered ? 1 : 0));
  sent_.push_back({value});
  return value;
}

void Beacon::begin() {
  if (sent_.empty()) return;
  sent_.erase(sent_.begin(), sent_.end() - 1);
  sent_.front().answered = true;
}

std::optional<bool> Beacon::answered(std::string_view returned) {
  if (sent_.empty()) return std::nullopt;
  const bool known =
      std::any_of(sent_.begin(), sent_.end(), [&](const Sent& sent) { return sent.value == returned; });
  const bool must_stand = sent_.front().answered;
  begin();
  if (known) return true;
  return must_stand ? std::optional(false) : std::nullopt;
}

}  // namespace gpuwarden::control
