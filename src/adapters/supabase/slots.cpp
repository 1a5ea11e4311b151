#include "slots.hpp"

#include <algorithm>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gpuwarden::supabase {

namespace asio = boost::asio;

asio::awaitable<Slots::Permit> Slots::acquire() {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  while (free_ == 0) {
    asio::steady_timer turn(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    struct Place {
      Slots& slots;
      asio::steady_timer* timer;
      ~Place() {
        auto& waiting = slots.waiting_;
        waiting.erase(std::remove(waiting.begin(), waiting.end(), timer), waiting.end());
      }
    };
    boost::system::error_code ignored;
    {
      waiting_.push_back(&turn);
      const Place place{*this, &turn};
      co_await turn.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      wake_next();  // the turn may have been ours: it must not be lost
      co_return Permit();
    }
  }
  --free_;
  co_return Permit(this);
}

void Slots::give_back() {
  ++free_;
  wake_next();
}

void Slots::wake_next() {
  if (free_ > 0 && !waiting_.empty()) waiting_.front()->cancel();
}

}  // namespace gpuwarden::supabase
