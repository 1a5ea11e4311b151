// The simulation's database does what the real one does: the same calls, the same answers, the same rows.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gpuwarden/base/format.hpp"

#include "integration/sql/model_calls.hpp"

namespace gpuwarden::test {
namespace {

constexpr int kSeeds = 8, kSteps = 500;

RealDatabase& real() {
  static RealDatabase database;
  return database;
}

std::string told(const Step& step, const Json& answer) {
  const std::string what = step.function.empty() ? step.sql : step.function + " " + step.arguments.dump();
  return fmt::format("{} {}\n    -> {}\n", format_time_ms(step.at), what.substr(0, 300),
                     answer.dump().substr(0, 200));
}

/// The steps that led to number `last`, without the tables that were only read.
std::string story(const std::vector<Step>& steps, const std::vector<Json>& answers, std::size_t last) {
  constexpr std::size_t kShown = 30;
  std::vector<std::string> lines;
  for (std::size_t i = last + 1; i-- > 0 && lines.size() < kShown;)
    if (i == last || !steps[i].reads) lines.push_back(told(steps[i], answers[i]));
  std::string out;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) out += *line;
  return out;
}

class Model : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Model, AnswersWhatPostgresqlAnswers) {
  Sequence sequence(GetParam(), real().has_function("gpuwarden_operator"));
  const auto steps = sequence.make(kSteps);
  const auto answers = real().run(steps);
  ASSERT_EQ(answers.size(), steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].function.empty() && !steps[i].reads) continue;
    const auto found = difference(answers[i], steps[i].expected);
    ASSERT_EQ(found, "") << "seed " << GetParam() << ", step " << i << "; what led there:\n"
                         << story(steps, answers, i);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Model, ::testing::Range(std::uint64_t{1}, std::uint64_t{kSeeds + 1}));

TEST(ModelSequences, ReachEveryKindOfAnswer) {
  std::map<std::string, int> reached;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Sequence sequence(seed, true);
    sequence.make(kSteps);
    for (const auto& [what, times] : sequence.reached()) reached[what] += times;
  }
  for (const char* what : {"gpuwarden_snapshot leading",
                           "gpuwarden_snapshot looking",
                           "gpuwarden_snapshot read only",
                           "gpuwarden_snapshot rescuable",
                           "gpuwarden_snapshot beacon",
                           "gpuwarden_snapshot recent failures",
                           "gpuwarden_register_worker registered",
                           "gpuwarden_register_worker already",
                           "gpuwarden_register_worker worker_exists",
                           "gpuwarden_register_worker not_leader",
                           "gpuwarden_update_worker updated",
                           "gpuwarden_update_worker PT400",
                           "gpuwarden_update_worker 22P02",
                           "gpuwarden_update_worker 25006",
                           "gpuwarden_fail_worker failed",
                           "gpuwarden_fail_worker already",
                           "gpuwarden_fail_worker already_failed",
                           "gpuwarden_fail_worker already_ended",
                           "gpuwarden_fail_worker requeued",
                           "gpuwarden_fail_worker given up",
                           "gpuwarden_add_evidence added",
                           "gpuwarden_add_evidence no_failure",
                           "gpuwarden_rescue_tasks requeued",
                           "gpuwarden_rescue_tasks given up",
                           "gpuwarden_save_state saved",
                           "gpuwarden_save_state older_generation",
                           "gpuwarden_resign resigned",
                           "gpuwarden_operator paused",
                           "gpuwarden_operator reset",
                           "gpuwarden_worker_report PT403",
                           "gpuwarden_worker_report PT413",
                           "gpuwarden_worker_report stop",
                           "gpuwarden_worker_report drain",
                           "gpuwarden_worker_report continue",
                           "gpuwarden_claim_task",
                           "gpuwarden_complete_task completed",
                           "gpuwarden_complete_task already",
                           "gpuwarden_complete_task this attempt does not hold the task",
                           "gpuwarden_fail_task failed",
                           "gpuwarden_fail_task already",
                           "func_claim_available_task",
                           "func_mark_task_complete",
                           "func_mark_task_failed",
                           "func_update_worker_heartbeat"})
    EXPECT_GT(reached[what], 0) << what;
}

}  // namespace
}  // namespace gpuwarden::test
