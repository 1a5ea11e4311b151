#include <gtest/gtest.h>

#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

TEST(Report, TellsAServiceThatRefusesFromOneThatCannotBeReached) {
  LoopWorld world;
  world.store.outage = fail(ErrorKind::unavailable, "connection refused").value();
  world.provider.outage = fail(ErrorKind::unauthorized, "access denied").value();
  ControlLoop loop(world.environment(), LoopWorld::settings());
  const CycleSummary blind = world.finish(loop.once(true));
  EXPECT_EQ(blind.report.snapshot_error_kind, ErrorKind::unavailable);
  EXPECT_EQ(blind.report.pods_error_kind, ErrorKind::unauthorized);

  world.store.outage.reset();
  world.provider.outage = fail(ErrorKind::timeout, "no answer").value();
  const CycleSummary later = world.finish(loop.once(true));
  EXPECT_TRUE(later.report.snapshot);
  EXPECT_EQ(later.report.pods_error_kind, ErrorKind::timeout) << "of the newest failure";
}

}  // namespace
}  // namespace gpuwarden::control
