#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

#include "variable.hpp"

namespace gpuwarden::config {

template <class T>
using Place = std::function<T&(Draft&)>;

/// `in(&Config::policy, &policy::Settings::poll)`: the setting that a variable fills.
template <class Room, class T>
Place<T> in(Room Config::*room, T Room::*field) {
  return [=](Draft& draft) -> T& { return draft.config.*room.*field; };
}
template <class T>
Place<T> in(T Draft::*field) {
  return [=](Draft& draft) -> T& { return draft.*field; };
}

constexpr long kMany = 1'000'000;

Type seconds(const Place<Duration>& place);
Type seconds_from_zero(const Place<Duration>& place);
Type optional_seconds(const Place<std::optional<Duration>>& place);
Type minutes(const Place<Duration>& place);                      ///< fractions allowed, at least one second
Type days(const Place<Duration>& place, long least, long most);  ///< whole ones
Type whole_number(const Place<int>& place, long least, long most);
Type optional_whole_number(const Place<std::optional<int>>& place, long least, long most);
Type number(const Place<double>& place, double least, double most);
Type optional_usd(const Place<std::optional<double>>& place);
Type yes_no(const Place<bool>& place);
/// One of two words, in any case; `yes` stores true.
Type either(const Place<bool>& place, std::string no, std::string yes);
Type one_of(const Place<std::string>& place, std::vector<std::string> words);
Type text(const Place<std::string>& place);
Type secret_text(const Place<Secret>& place);
Type list(const Place<std::vector<std::string>>& place, std::string words);
/// "video_*=3600,quick_*=120": patterns of task types with seconds, in order; all that is wrong is said at
/// once.
Type task_limits(const Place<std::vector<policy::StuckLimit>>& place);
Type url(const Place<std::string>& place, bool path_allowed);
Type absolute_path(const Place<std::string>& place);

/// "5", "2.5"; none for anything else, signs and exponents included.
std::optional<double> parse_decimal(std::string_view text);
std::optional<long> parse_whole(std::string_view text);

}  // namespace gpuwarden::config
