#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

namespace gpuwarden::control {

/// Lines up work that takes milliseconds of the loop, so that a hundred pieces that become ready at once do
/// not run one after another: between any two the loop looks at its sockets and timers.
class Turns {
 public:
  /// First come, first served. What follows the await, up to the next one, is the turn.
  boost::asio::awaitable<void> next();

 private:
  /// Somebody has had the turn of this round of the loop. Shared, because the round may end after this
  /// object.
  std::shared_ptr<bool> taken_ = std::make_shared<bool>(false);
};

}  // namespace gpuwarden::control
