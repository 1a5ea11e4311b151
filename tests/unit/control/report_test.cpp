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
  EXPECT_EQ(blind.report.snapshot_failure, ErrorKind::unavailable);
  EXPECT_EQ(blind.report.pods_failure, ErrorKind::unauthorized);

  world.store.outage.reset();
  world.provider.outage.reset();
  const CycleSummary seeing = world.finish(loop.once(true));
  EXPECT_EQ(seeing.report.snapshot_failure, std::nullopt);
  EXPECT_EQ(seeing.report.pods_failure, std::nullopt);
}

}  // namespace
}  // namespace gpuwarden::control
