#pragma once

#include <memory>
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace gpuwarden::supabase {

/// A counted number of places; coroutines of one thread wait for one in turn. Permits and waiting coroutines
/// may outlive the object: what they share lives as long as they do.
class Slots {
 public:
  explicit Slots(int count);
  ~Slots();
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

 private:
  struct State;

 public:
  /// Holds a place until it goes out of scope.
  class Permit {
   public:
    Permit() = default;
    explicit Permit(std::shared_ptr<State> owner) : owner_(std::move(owner)) {}
    Permit(Permit&& other) noexcept : owner_(std::move(other.owner_)) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit();
    /// False: the wait was cancelled.
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    std::shared_ptr<State> owner_;
  };
  /// Empty when the awaiting coroutine was cancelled, even before it had to wait.
  boost::asio::awaitable<Permit> acquire();

 private:
  static boost::asio::awaitable<Permit> acquire_from(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace gpuwarden::supabase
