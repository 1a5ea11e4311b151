#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "gpuwarden/control/offers.hpp"

#include "context.hpp"

namespace gpuwarden::control {

/// Candidates for placement, refreshed from catalogue and volumes every ten minutes in the background; a
/// failed refresh keeps the last good one. The first refresh is awaited, because nothing can be placed
/// without volumes.
class OfferBook {
 public:
  boost::asio::awaitable<std::vector<policy::Offer>> current(Context& context);
  void forget() { refreshed_.reset(); }

 private:
  boost::asio::awaitable<void> refresh(Context& context);

  std::optional<MonoTime> refreshed_;
  bool refreshing_{false};
  std::vector<policy::Offer> offers_;
  std::vector<std::string> problems_;
};

}  // namespace gpuwarden::control
