#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/control/offers.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// Candidates for placement, refreshed from catalogue and volumes every ten minutes in the background; a
/// failed refresh keeps the last good ones. Only the very first refresh is waited for, at most 15 s, because
/// nothing can be placed without volumes.
class OfferBook {
 public:
  boost::asio::awaitable<std::vector<policy::Offer>> current(Context& context);
  /// The settings have changed: the next call begins a refresh; until it ends the old candidates hold.
  void forget();

 private:
  boost::asio::awaitable<void> refresh(Context& context);
  /// Logs that a list became unreadable or readable again; nothing while that stays as it is.
  static void note(ports::Log& log, std::string_view what, const Error* error, bool& readable);

  std::optional<MonoTime> fresh_until_;  ///< none = never refreshed, or the settings have changed
  std::optional<MonoTime> first_due_;    ///< how long the first refresh is waited for
  bool refreshed_{false};                ///< at least once
  bool refreshing_{false};
  int settings_changes_{0};
  bool volumes_readable_{true}, catalogue_readable_{true};
  std::vector<policy::Offer> offers_;
  std::vector<std::string> problems_;
};

}  // namespace gpuwarden::control
