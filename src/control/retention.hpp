#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "context.hpp"

namespace gpuwarden::control {

/// Keeps the tables of failures and events from growing for ever: while we lead, once at the beginning and
/// then every hour, one bounded batch a tick until nothing old is left. Runs beside the ticks.
class Retention {
 public:
  /// Begins a batch where one is due. `context` and this object outlive it.
  void tick(const boost::asio::any_io_executor& executor, Context& context, bool leading);
  /// The end waits for no batch.
  void call_off();

 private:
  void finished(Context& context, const Result<ports::Pruned>& pruned);

  boost::asio::cancellation_signal signal_;
  bool leading_{false}, called_off_{false};
  MonoTime due_{};
  long failures_{0}, events_{0};  ///< deleted since the first batch of this round
};

}  // namespace gpuwarden::control
