#pragma once

#include <deque>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace gpuwarden::supabase {

/// A counted number of places; coroutines of one thread wait for one in turn.
class Slots {
 public:
  explicit Slots(int count) : free_(count) {}
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  /// Holds a place until it goes out of scope.
  class Permit {
   public:
    Permit() = default;
    explicit Permit(Slots* slots) : slots_(slots) {}
    Permit(Permit&& other) noexcept : slots_(other.slots_) { other.slots_ = nullptr; }
    Permit& operator=(Permit&&) = delete;
    ~Permit() {
      if (slots_ != nullptr) slots_->give_back();
    }
    /// False: the wait was cancelled.
    explicit operator bool() const { return slots_ != nullptr; }

   private:
    Slots* slots_{nullptr};
  };
  boost::asio::awaitable<Permit> acquire();

 private:
  void give_back();
  void wake_next();

  int free_;
  std::deque<boost::asio::steady_timer*> waiting_;
};

}  // namespace gpuwarden::supabase
