#pragma once

#include <deque>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "gpuwarden/ssh/session.hpp"

namespace gpuwarden::ssh {

/// A semaphore whose slots go to those who wait in the order in which they came.
struct HandshakeLimit::Impl : std::enable_shared_from_this<HandshakeLimit::Impl> {
  /// Gives the slot back when it goes. Empty: none is held.
  class Slot {
   public:
    Slot() = default;
    explicit Slot(std::shared_ptr<Impl> owner) : owner_(std::move(owner)) {}
    Slot(Slot&& other) noexcept : owner_(std::move(other.owner_)) {}
    Slot& operator=(Slot&& other) noexcept;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { reset(); }
    void reset();
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    std::shared_ptr<Impl> owner_;
  };

  Impl(boost::asio::any_io_executor on, int slots) : executor(std::move(on)), limit(slots) {}
  /// Errors: unavailable (no slot within `patience`), cancelled.
  boost::asio::awaitable<Result<Slot>> acquire(Duration patience);

  boost::asio::any_io_executor executor;
  int limit;
  int taken{0}, most_taken{0};

 private:
  struct Waiter;
  void give_back();
  std::deque<Waiter*> waiting_;
};

}  // namespace gpuwarden::ssh
