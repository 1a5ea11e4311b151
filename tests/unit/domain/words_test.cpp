#include <set>

#include <gtest/gtest.h>

#include "gpuwarden/domain/action.hpp"
#include "gpuwarden/domain/pod.hpp"

namespace gpuwarden {
namespace {

TEST(Actions, HaveANameAndAWorkerOrNone) {
  const WorkerId id("gpu-a");
  std::set<std::string_view> names;
  const auto check = [&](Action action, const WorkerId& worker) {
    EXPECT_TRUE(names.insert(action_name(action)).second) << action_name(action);
    EXPECT_EQ(worker_of(action), worker) << action_name(action);
  };
  check(SpawnWorker{id, {}, false, 0}, id);
  check(AdoptPod{id, PodId("p")}, id);
  check(AbandonIntent{id}, id);
  check(BringUpWorker{id, PodId("p")}, id);
  check(ActivateWorker{id}, id);
  check(FailWorker{id, PodId("p"), FailureCause::pod_error, ""}, id);
  check(DrainWorker{id}, id);
  check(DeletePod{id, PodId("p")}, id);
  check(ConfirmGone{id}, id);
  check(DeleteOrphan{PodId("p"), "gpu-x"}, WorkerId());
  check(RescueTasks{}, WorkerId());
  check(SaveBreaker{}, WorkerId());
  check(ProbeWorker{id, PodId("p")}, id);
  check(NotePhase{id, Phase::starting}, id);
  EXPECT_EQ(names.size(), std::variant_size_v<Action>);
}

TEST(BreakerStates, ReadBackTheirNames) {
  for (const BreakerState state : {BreakerState::closed, BreakerState::open, BreakerState::half_open}) {
    EXPECT_EQ(parse_breaker_state(to_string(state)), state);
  }
  EXPECT_EQ(to_string(BreakerState::half_open), "half_open");
  EXPECT_FALSE(parse_breaker_state("half-open").has_value());
  EXPECT_FALSE(parse_breaker_state("").has_value());
}

TEST(PodStatuses, AreWrittenAsRunpodWritesThem) {
  EXPECT_EQ(to_string(PodStatus::provisioning), "PROVISIONING");
  EXPECT_EQ(to_string(PodStatus::running), "RUNNING");
  EXPECT_EQ(to_string(PodStatus::exited), "EXITED");
  EXPECT_EQ(to_string(PodStatus::unrecognized), "UNRECOGNIZED");
}

TEST(DeleteOutcomes, HaveTheirOwnNames) {
  std::set<std::string_view> names;
  for (const DeleteOutcome outcome :
       {DeleteOutcome::accepted, DeleteOutcome::not_found, DeleteOutcome::refused, DeleteOutcome::not_sent,
        DeleteOutcome::ambiguous}) {
    names.insert(to_string(outcome));
  }
  EXPECT_EQ(names.size(), 5U);
}

}  // namespace
}  // namespace gpuwarden
