#include "slots.hpp"

#include <deque>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace gpuwarden::supabase {

namespace asio = boost::asio;

struct Slots::State {
  explicit State(int count) : free(count) {}

  struct Waiter;
  int free;
  std::deque<Waiter*> waiting;

  /// The place goes to the next in line at once, so that two places given back in one turn wake two waiters.
  void give_back();
};

/// A coroutine in the queue. A place that was handed to it but not taken goes on to the next in line.
struct Slots::State::Waiter {
  Waiter(State& in, const asio::any_io_executor& executor)
      : state(in), turn(executor, asio::steady_timer::time_point::max()) {
    state.waiting.push_back(this);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    if (!granted) {
      std::erase(state.waiting, this);
    } else if (!taken) {
      state.give_back();
    }
  }

  State& state;
  asio::steady_timer turn;
  bool granted{false}, taken{false};
};

void Slots::State::give_back() {
  if (waiting.empty()) {
    ++free;
    return;
  }
  Waiter* next = waiting.front();
  waiting.pop_front();
  next->granted = true;
  next->turn.cancel();
}

Slots::Slots(int count) : state_(std::make_shared<State>(count)) {}
Slots::~Slots() = default;

Slots::Permit::~Permit() {
  if (owner_) owner_->give_back();
}

asio::awaitable<Slots::Permit> Slots::acquire() {
  return acquire_from(state_);
}

asio::awaitable<Slots::Permit> Slots::acquire_from(std::shared_ptr<State> state) {
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) co_return Permit();
  if (state->free > 0) {
    --state->free;
    co_return Permit(std::move(state));
  }
  State::Waiter waiter(*state, co_await asio::this_coro::executor);
  boost::system::error_code woken;
  co_await waiter.turn.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  if (!waiter.granted || cancellation.cancelled() != asio::cancellation_type::none) co_return Permit();
  waiter.taken = true;
  co_return Permit(state);
}

}  // namespace gpuwarden::supabase
