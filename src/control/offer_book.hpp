#pragma once

#include <optional>
#include <string>
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

  std::optional<MonoTime> fresh_until_;  ///< none = never refreshed, or the settings have changed
  std::optional<MonoTime> first_due_;    ///< how long the first refresh is waited for
  bool refreshed_{false};                ///< at least once
  bool refreshing_{false};
  int settings_changes_{0};
  std::vector<policy::Offer> offers_;
  std::vector<std::string> problems_;
};

}  // namespace gpuwarden::control
