// What a person can learn of workers and tasks while they live and after they are gone, through the real
// program.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

/// The one worker that holds a task.
std::string busy_worker(Stack& stack) {
  std::string id;
  EXPECT_TRUE(eventually(60s, [&] {
    const Json rows = stack.sql("select worker_id from public.tasks where status = 'In Progress'");
    if (!rows.empty()) id = rows[0]["worker_id"];
    return !id.empty();
  })) << stack.daemon_log();
  return id;
}

TEST(Stories, AHealthyWorkersLifeIsToldWhileItLivesAndAfterItIsGone) {
  Stack::Options options;
  options.overrides = {{"MAX_ACTIVE_GPUS", "1"}};
  Stack stack(options);
  stack.add_tasks(1, 30.0);  // long enough to be looked at on a slow machine
  stack.start_daemon();
  const std::string id = busy_worker(stack);
  const std::string end = id.substr(id.rfind('-') + 1);

  const Finished live = stack.cli({"logs", end});
  EXPECT_EQ(live.exit_code, 0);
  EXPECT_THAT(live.output, HasSubstr(id + ": worker.log on the pod, by SSH\n"));
  EXPECT_THAT(live.output, HasSubstr("worker " + id + " is up\n"));
  EXPECT_THAT(live.output, HasSubstr("working for 30"));
  EXPECT_THAT(stack.cli({"logs", id, "--source", "bootstrap"}).output,
              HasSubstr("bootstrap.log on the pod, by SSH"));
  EXPECT_THAT(stack.cli({"logs", id, "--source", "system"}).output,
              HasSubstr("the system log, by Runpod's API"));

  Process follower({GPUWARDEN_PROGRAM, "logs", id, "-f"}, stack.environment(), stack.dir() + "/follow.err",
                   stack.dir() + "/follow.out");
  Process interrupted({GPUWARDEN_PROGRAM, "logs", id, "-f"}, stack.environment(), stack.dir() + "/int.err",
                      stack.dir() + "/int.out");
  Process events({GPUWARDEN_PROGRAM, "events", "-f"}, stack.environment(), stack.dir() + "/events.err",
                 stack.dir() + "/events.out");
  ASSERT_TRUE(eventually(15s, [&] {
    return read_file(stack.dir() + "/int.out").find("is up") != std::string::npos;
  })) << read_file(stack.dir() + "/int.err");
  interrupted.signal(SIGINT);
  EXPECT_EQ(interrupted.wait(3s), 0);

  ASSERT_TRUE(eventually(90s, [&] { return all_complete_and_no_pod(stack, 1); })) << stack.daemon_log();
  ASSERT_TRUE(eventually(20s, [&] {
    return !stack.sql("select 1 from public.gpuwarden_workers where ended_at is not null").empty();
  }));
  EXPECT_EQ(follower.wait(15s), 0);
  const std::string followed = read_file(stack.dir() + "/follow.out");
  EXPECT_THAT(followed, HasSubstr("\"accepted\": true")) << "what came after it began";
  EXPECT_THAT(read_file(stack.dir() + "/follow.err"), HasSubstr("The worker has ended: terminated\n"));
  EXPECT_TRUE(eventually(10s, [&] {
    return read_file(stack.dir() + "/events.out").find("  ended  ") != std::string::npos;
  })) << read_file(stack.dir() + "/events.out");
  events.signal(SIGINT);
  EXPECT_EQ(events.wait(3s), 0);

  const Finished life = stack.cli({"worker", end});
  EXPECT_EQ(life.exit_code, 0);
  std::printf("%s\n", life.output.c_str());
  for (const char* part : {"registered", "pod", "provisioning", "bootstrapping:preflight",
                           "bootstrapping:start", "awaiting_heartbeat", "first heartbeat", "task claimed",
                           "task completed", "draining", "deleting", "ended"})
    EXPECT_THAT(life.output, HasSubstr(part));
  const std::string task = stack.sql("select id from public.tasks")[0]["id"];
  const Finished told = stack.cli({"task", task.substr(0, 8)});
  EXPECT_EQ(told.exit_code, 0);
  std::printf("%s\n", told.output.c_str());
  EXPECT_THAT(told.output, HasSubstr(id));
  EXPECT_THAT(told.output, HasSubstr("completed"));
  const Finished gone = stack.cli({"logs", id});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.output, HasSubstr("it ended without a failure, and its logs went with its pod"));
}

TEST(Stories, AWorkerThatCrashedStillTellsWhyWhenItsPodIsGone) {
  Stack::Options options;
  options.scenario = "worker-crash";
  options.overrides = {{"MAX_ACTIVE_GPUS", "2"}};
  Stack stack(options);
  stack.add_tasks(2);
  stack.start_daemon();
  std::string id;
  ASSERT_TRUE(eventually(60s, [&] {
    const Json rows = stack.sql(
        "select g.worker_id from public.gpuwarden_workers g join public.gpuwarden_failures f using "
        "(worker_id) "
        "where g.ended_at is not null order by f.created_at limit 1");
    if (!rows.empty()) id = rows[0]["worker_id"];
    return !id.empty();
  })) << stack.daemon_log();

  const Finished life = stack.cli({"worker", id});
  std::printf("%s\n", life.output.c_str());
  for (const char* part : {"Cause       start_failed", "unrecognized arguments", "Advice ",
                           "bootstrapping:start", "crash", "failed", "collecting", "deleting", "ended"})
    EXPECT_THAT(life.output, HasSubstr(part));
  const Json json = Json::parse(stack.cli({"worker", id, "--json"}).output);
  EXPECT_EQ(json["timeline"].front()["what"], "registered");
  EXPECT_EQ(json["timeline"].back()["what"], "ended");

  const Finished logs = stack.cli({"logs", id, "--source", "worker"});
  EXPECT_EQ(logs.exit_code, 0);
  std::printf("%s\n", logs.output.c_str());
  EXPECT_THAT(logs.output, HasSubstr("the worker log as it was kept with the failure"));
  EXPECT_THAT(logs.output, HasSubstr("unrecognized arguments"));
  const Finished failures = stack.cli({"failures"});
  std::printf("%s\n", failures.output.c_str());
  EXPECT_THAT(failures.output, HasSubstr("PODS"));
  EXPECT_THAT(failures.output, HasSubstr("start_failed"));
  const Finished events = stack.cli({"events", "--worker", id});
  EXPECT_THAT(events.output, HasSubstr("start_failed: "));
}

TEST(Stories, TheDaemonDeletesWhatIsOlderThanTheRetention) {
  Stack::Options options;
  options.overrides = {{"FAILURE_RETENTION_DAYS", "7"}};
  Stack stack(options);
  stack.execute(
      "insert into public.gpuwarden_failures (worker_id, owner, cause, created_at) select 'w' || n, "
      "'sandbox', "
      "'gpu_error', now() - interval '7 days' - make_interval(mins => n) from generate_series(1, 1500) n; "
      "insert into public.gpuwarden_failures (worker_id, owner, cause, created_at) values ('kept', "
      "'sandbox', "
      "'gpu_error', now() - interval '7 days' + interval '5 minutes');");
  stack.start_daemon();
  EXPECT_TRUE(eventually(30s, [&] {
    return stack.sql("select worker_id from public.gpuwarden_failures") ==
           Json::array({{{"worker_id", "kept"}}});
  })) << stack.daemon_log();
  ASSERT_TRUE(eventually(10s, [&] { return !stack.log_events("pruned").empty(); }));
  EXPECT_EQ(stack.log_events("pruned")[0]["failures"], "1500");
}

}  // namespace
}  // namespace gpuwarden::test
