#pragma once

#include <functional>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "context.hpp"

namespace gpuwarden::control {

/// The pods of check-ups: looks after the one that was asked for until it is surely gone, whatever happens in
/// between, and tells what is waited for.
class CheckupPods {
 public:
  using Waiting = std::function<void(const std::string&)>;
  CheckupPods(Context& context, Waiting waiting) : context_(context), waiting_(std::move(waiting)) {}

  /// Deletes all pods of check-ups of this owner; their ids, empty = there was none.
  ports::Async<std::string> sweep(const std::string& owner);

  void asked_for(const WorkerId& name) { name_ = name; }
  void surely_none() { name_.reset(); }
  void rented(const PodId& pod) { pod_ = pod; }
  bool may_exist() const { return name_.has_value(); }
  /// A pod of that name in the list, within half a minute.
  boost::asio::awaitable<std::optional<Pod>> find(const WorkerId& name);
  /// Deletes it and looks until it is gone, 90 s at most; words on how it ended.
  ports::Async<std::string> remove();

  /// Told after two seconds, then every ten.
  void wait_for(const std::string& what, Duration waited, double price_per_hr);
  /// The same while something else runs; ends by being cancelled.
  boost::asio::awaitable<void> announce(std::string what, double price_per_hr);

 private:
  boost::asio::awaitable<bool> is_gone();

  Context& context_;
  Waiting waiting_;
  std::optional<WorkerId> name_;
  PodId pod_;
  std::optional<MonoTime> told_;
};

}  // namespace gpuwarden::control
