#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/bring_up_runner.hpp"
#include "loop_world.hpp"

namespace gpuwarden::control {
namespace {

/// How a worker ends, within `limit`, whose pod refuses every connection with this error.
ports::FailureRecord end_of_bring_up(ErrorKind kind, const std::string& words, Duration limit) {
  LoopWorld world;
  Context context{world.environment(), LoopWorld::settings()};
  context.epoch = world.store.state.leader.epoch;
  PodSpec spec;
  spec.name = make_worker_id("default", fakes::FakeClock::kWallStart, 7).str();
  Pod pod = world.provider.add_pod(spec);
  pod.ssh = SshEndpoint{};
  context.pods.emplace(pod.id, pod);
  Worker worker;
  worker.id = WorkerId(spec.name);
  worker.status = WorkerStatus::spawning;
  worker.pod = pod.id;
  world.store.state.workers.push_back(worker);
  context.workers.emplace(worker.id, worker);
  Error error;
  error.kind = kind;
  error.message = "SSH root@127.0.0.1:22: " + words;
  world.shell.refuse = error;
  const auto ended =
      world.finish(run_bring_up(context, worker.id, pod.id, std::make_shared<RunningBringUp>()), limit);
  if (world.store.failed.size() != 1) throw std::runtime_error(ended ? *ended : ended.error().message);
  return world.store.failed[0];
}

struct Case {
  ErrorKind kind;
  const char* words;  // as adapters/ssh puts them
  Duration limit;
  FailureCause cause;
};

TEST(ConnectFailure, NamesItsCause) {
  const std::vector<Case> cases{
      {ErrorKind::unauthorized, "SSH authentication: Username/PublicKey combination invalid", 2min,
       FailureCause::ssh_auth_failed},
      // Our own key is unusable: nothing that would pass within the time for reaching a pod.
      {ErrorKind::invalid_input, "SSH authentication: Unable to extract public key from private key.", 2min,
       FailureCause::ssh_auth_failed},
      {ErrorKind::conflict,
       "the host key SHA256:xyz does not match any of the 1 that are pinned for this pod", 2min,
       FailureCause::ssh_host_key_mismatch},
      {ErrorKind::unavailable, "cannot connect: Connection refused", 20min, FailureCause::ssh_unreachable},
      {ErrorKind::unavailable,
       "SSH handshake: the host has keys of the types rsa-sha2-512,rsa-sha2-256 only, and libssh2 takes "
       "ed25519 and ECDSA: let the image run `ssh-keygen -A` before it starts sshd",
       20min, FailureCause::ssh_unreachable},
      {ErrorKind::timeout, "no answer in time", 20min, FailureCause::ssh_unreachable},
  };
  for (const Case& c : cases)
    EXPECT_EQ(to_string(end_of_bring_up(c.kind, c.words, c.limit).verdict.cause), to_string(c.cause))
        << c.words;
}

}  // namespace
}  // namespace gpuwarden::control
