#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "simulation/scheduler.hpp"

namespace gpuwarden::simulation {

/// One daemon process as the operating system sees it: an event loop that runs when something has happened
/// for it, may stand still for a while, and may be killed at any instant with all its coroutines. Lives in a
/// shared_ptr: what the world still has in store for it may outlive it.
class Process : public std::enable_shared_from_this<Process> {
 public:
  /// Names one wait. What happens outside wakes it by this name, whether the process still lives or not.
  using Ticket = std::uint64_t;

  explicit Process(Scheduler& scheduler) : scheduler_(scheduler) {}
  ~Process() { kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  Scheduler& scheduler() { return scheduler_; }
  boost::asio::io_context& io() { return *io_; }

  Ticket ticket() { return ++tickets_; }

  /// Waits for `wake(ticket)`, at most `at_most` of the process's own time. True: woken; false: the time is
  /// up, or the waiting coroutine was cancelled.
  boost::asio::awaitable<bool> wait(Ticket ticket, Duration at_most) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(bool)>(
        [this, ticket, at_most](auto handler) { begin(ticket, at_most, std::move(handler)); },
        boost::asio::use_awaitable);
  }
  void wake(Ticket ticket) {
    end(ticket, true);
    turn();
  }

  /// Something was given to the event loop: it has work.
  void ready() { ready_ = true; }
  /// Runs everything that is ready, unless the process stands still.
  void turn() {
    if (!ready_ || running_ || dying_ || stands_still()) return;
    {
      const Running running(running_);
      while (ready_ && !dying_) {
        ready_ = false;
        io_->restart();
        io_->poll();
      }
    }
    if (dying_) kill();
  }

  /// The event loop turns no more for so long; `clock_too`: neither does its monotonic clock, as when the
  /// machine is suspended. Not while it stands still already.
  void stand_still(Duration duration, bool clock_too) {
    if (stands_still() || dying_) return;
    frozen_at_ = now();
    still_until_ = scheduler_.now() + duration;
    frozen_ = clock_too;
    if (clock_too) lost_ += duration;
    scheduler_.at(still_until_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->turn();
    });
  }
  bool stands_still() const { return scheduler_.now() < still_until_; }

  /// The monotonic clock, whose origin says nothing.
  MonoTime now() const { return frozen_ && stands_still() ? frozen_at_ : scheduler_.now() + origin - lost_; }
  Duration origin{0};
  /// How wrong the wall clock is.
  Duration wall_skew{0};

  /// Ends the process: at once, or, from inside of one of its coroutines, as soon as that one waits. Nothing
  /// of it runs afterwards.
  void kill() {
    dying_ = true;
    if (io_ == nullptr) return;
    if (running_) return io_->stop();
    std::exchange(waits_, {}).clear();  // frames that wait for the world
    io_.reset();                        // and those that the event loop holds
    waits_.clear();
  }
  bool dying() const { return dying_; }

 private:
  struct Running {  // also where a coroutine throws
    explicit Running(bool& flag) : flag_(flag) { flag_ = true; }
    ~Running() { flag_ = false; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    bool& flag_;
  };
  struct Pending {
    Pending() = default;
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    virtual ~Pending() = default;
    virtual void finish(bool woken) = 0;
    MonoTime due{};
  };
  template <class Handler>
  struct PendingOf final : Pending {
    PendingOf(boost::asio::io_context& loop, Handler waiting) : io(loop), handler(std::move(waiting)) {}
    void finish(bool woken) override {
      boost::asio::post(io, [own = std::move(handler), woken]() mutable { std::move(own)(woken); });
    }
    boost::asio::io_context& io;
    Handler handler;
  };

  template <class Handler>
  void begin(Ticket ticket, Duration at_most, Handler handler) {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    auto pending = std::make_unique<PendingOf<Handler>>(*io_, std::move(handler));
    if (!dying_) {  // else it is only kept until the frames are destroyed
      if (slot.is_connected())
        slot.assign([this, ticket](boost::asio::cancellation_type) { end(ticket, false); });
      pending->due = now() + std::max(at_most, Duration{0});
      plan(ticket, pending->due);
    }
    waits_.emplace(ticket, std::move(pending));
  }

  void plan(Ticket ticket, MonoTime due) {
    scheduler_.after(due - now(), [weak = weak_from_this(), ticket] {
      if (const auto self = weak.lock()) self->expire(ticket);
    });
  }

  void expire(Ticket ticket) {
    const auto found = waits_.find(ticket);
    if (found == waits_.end() || dying_) return;
    const MonoTime due = found->second->due;
    if (now() < due) return plan(ticket, due);  // its clock stood still meanwhile
    end(ticket, false);
    turn();
  }

  void end(Ticket ticket, bool woken) {
    const auto found = waits_.find(ticket);
    if (found == waits_.end() || dying_) return;
    const auto pending = std::move(found->second);
    waits_.erase(found);
    ready_ = true;
    pending->finish(woken);
  }

  Scheduler& scheduler_;
  std::unique_ptr<boost::asio::io_context> io_ =
      std::make_unique<boost::asio::io_context>(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
  std::unordered_map<Ticket, std::unique_ptr<Pending>> waits_;
  Ticket tickets_{0};
  MonoTime still_until_{}, frozen_at_{};
  Duration lost_{0};
  bool frozen_{false}, ready_{false}, running_{false}, dying_{false};
};

}  // namespace gpuwarden::simulation
