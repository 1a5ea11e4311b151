#pragma once

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gpuwarden::support {

/// Time for which this thread could have run and was kept waiting by other programs; nothing where the kernel
/// does not count it.
inline std::optional<std::chrono::nanoseconds> starved_so_far() {
  std::ifstream file("/proc/thread-self/schedstat");
  long long ran = 0;
  long long waited = 0;
  if (!(file >> ran >> waited)) return std::nullopt;
  return std::chrono::nanoseconds(waited);
}

/// A 10 ms ticker that remembers how late it ever was: by the clock, and without the time in which the
/// machine was busy with other programs (two hundred sshds among them).
class Ticker {
 public:
  using Clock = boost::asio::steady_timer::clock_type;

  explicit Ticker(boost::asio::io_context& io) : timer_(io) {
    boost::asio::co_spawn(io, run(), boost::asio::detached);
  }
  void stop() {
    stopped_ = true;
    timer_.cancel();
  }
  Clock::duration worst{0}, worst_of_our_own{0};

 private:
  static Clock::duration starved() { return starved_so_far().value_or(std::chrono::nanoseconds(0)); }

  boost::asio::awaitable<void> run() {
    while (!stopped_) {
      const auto starved_before = starved();
      timer_.expires_after(std::chrono::milliseconds(10));
      const auto due = timer_.expiry();
      boost::system::error_code ignored;
      co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
      if (stopped_) co_return;
      const auto late = Clock::now() - due;
      worst = std::max(worst, late);
      worst_of_our_own = std::max(worst_of_our_own, late - (starved() - starved_before));
    }
  }
  boost::asio::steady_timer timer_;
  bool stopped_{false};
};

}  // namespace gpuwarden::support
