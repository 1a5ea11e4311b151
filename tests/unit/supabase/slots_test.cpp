#include "adapters/supabase/slots.hpp"

#include <deque>
#include <exception>
#include <memory>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace gpuwarden::supabase {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> take(Slots& slots, std::deque<Slots::Permit>& held) {
  held.push_back(co_await slots.acquire());
}

/// Waits for a place and keeps it for good; `alive` lives as long as the coroutine.
asio::awaitable<void> keep(Slots& slots, std::shared_ptr<int> alive) {
  const Slots::Permit permit = co_await slots.acquire();
  asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await never.async_wait(asio::use_awaitable);
  *alive = 1;
}

TEST(Slots, TwoPlacesGivenBackInOneTurnWakeTwoWaiters) {
  asio::io_context io;
  Slots slots(2);
  std::deque<Slots::Permit> held;
  for (int i = 0; i < 4; ++i) asio::co_spawn(io, take(slots, held), asio::detached);
  io.poll();
  ASSERT_EQ(held.size(), 2U);
  held.clear();
  io.restart();
  io.poll();
  EXPECT_EQ(held.size(), 2U);
}

TEST(Slots, ACancelledWaiterPassesItsPlaceOn) {
  asio::io_context io;
  Slots slots(1);
  std::deque<Slots::Permit> held, cancelled;
  asio::cancellation_signal cancel;
  asio::co_spawn(io, take(slots, held), asio::detached);
  asio::co_spawn(io, take(slots, cancelled), asio::bind_cancellation_slot(cancel.slot(), asio::detached));
  asio::co_spawn(io, take(slots, held), asio::detached);
  io.poll();
  ASSERT_EQ(held.size(), 1U);
  asio::post(io, [&] {
    held.clear();  // the place is handed to the second coroutine, which is called off in the same turn
    cancel.emit(asio::cancellation_type::terminal);
  });
  io.restart();
  io.poll();
  ASSERT_EQ(cancelled.size(), 1U);
  EXPECT_FALSE(cancelled.front());
  ASSERT_EQ(held.size(), 1U);
  EXPECT_TRUE(held.front());
}

TEST(Slots, ACoroutineThatIsCalledOffTakesNoFreePlace) {
  asio::io_context io;
  Slots slots(1);
  asio::cancellation_signal cancel;
  bool taken = true;
  const auto work = [&]() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    cancel.emit(asio::cancellation_type::terminal);
    const Slots::Permit permit = co_await slots.acquire();
    taken = static_cast<bool>(permit);
  };
  asio::co_spawn(io, work, asio::bind_cancellation_slot(cancel.slot(), asio::detached));
  io.poll();
  EXPECT_FALSE(taken);
}

TEST(Slots, PermitsAndWaitersMayOutliveTheSlots) {
  auto io = std::make_unique<asio::io_context>();
  auto slots = std::make_unique<Slots>(1);
  const auto alive = std::make_shared<int>(0);
  for (int i = 0; i < 3; ++i) asio::co_spawn(*io, keep(*slots, alive), asio::detached);
  io->poll();
  ASSERT_EQ(alive.use_count(), 4);
  slots.reset();
  io.reset();
  EXPECT_EQ(alive.use_count(), 1) << "the coroutines are gone with their event loop";
}

}  // namespace
}  // namespace gpuwarden::supabase
