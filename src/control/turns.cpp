#include "turns.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gpuwarden::control {

boost::asio::awaitable<void> Turns::next() {
  const auto executor = co_await boost::asio::this_coro::executor;
  // Handlers run in the order in which they were posted: whoever waits longest is the first to see it free.
  while (*taken_) co_await boost::asio::post(executor, boost::asio::use_awaitable);
  *taken_ = true;
  boost::asio::post(executor, [taken = taken_] { *taken = false; });
}

}  // namespace gpuwarden::control
