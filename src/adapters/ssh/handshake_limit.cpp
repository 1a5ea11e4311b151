#include "handshake_limit.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "gpuwarden/base/format.hpp"

#include "connection.hpp"

namespace gpuwarden::ssh {

namespace asio = boost::asio;

/// One place in the queue. A slot that was handed over but not taken goes on to the next in line.
struct HandshakeLimit::Impl::Waiter {
  Waiter(Impl& in, Duration patience) : limit(in), turn(in.executor, patience) {
    limit.waiting_.push_back(this);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    if (granted) {
      if (!taken) limit.give_back();
    } else {
      std::erase(limit.waiting_, this);
    }
  }
  Impl& limit;
  asio::steady_timer turn;
  bool granted{false}, taken{false};
};

HandshakeLimit::Impl::Slot& HandshakeLimit::Impl::Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    reset();
    owner_ = std::move(other.owner_);
  }
  return *this;
}

void HandshakeLimit::Impl::Slot::reset() {
  if (const auto owner = std::exchange(owner_, nullptr)) owner->give_back();
}

asio::awaitable<Result<HandshakeLimit::Impl::Slot>> HandshakeLimit::Impl::acquire(Duration patience) {
  const auto self = shared_from_this();
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  const auto cancelled = [&] { return cancellation.cancelled() != asio::cancellation_type::none; };
  if (cancelled()) co_return fail(Connection::error(Wake::cancelled));
  if (taken < limit) {
    most_taken = std::max(most_taken, ++taken);
    co_return Slot(self);
  }
  Waiter waiter(*this, patience);
  boost::system::error_code woken;
  co_await waiter.turn.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  if (cancelled()) co_return fail(Connection::error(Wake::cancelled));
  if (!waiter.granted) {
    co_return fail(ErrorKind::unavailable,
                   fmt::format("no turn among the {} handshakes that may go on together within {}", limit,
                               format_duration(patience)));
  }
  waiter.taken = true;
  co_return Slot(self);
}

void HandshakeLimit::Impl::give_back() {
  if (waiting_.empty()) {
    --taken;
    return;
  }
  Waiter* next = waiting_.front();
  waiting_.pop_front();
  next->granted = true;
  next->turn.cancel();
}

HandshakeLimit::HandshakeLimit(asio::any_io_executor executor, int limit)
    : impl_(std::make_shared<Impl>(std::move(executor), std::max(limit, 1))) {}

HandshakeLimit::~HandshakeLimit() = default;

int HandshakeLimit::most_at_once() const {
  return impl_->most_taken;
}

}  // namespace gpuwarden::ssh
