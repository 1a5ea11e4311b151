#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include "gpuwarden/app/clock.hpp"
#include "gpuwarden/app/ssh_pod_shell.hpp"
#include "gpuwarden/control/loop.hpp"

#include "fakes/fake_pod_provider.hpp"
#include "fakes/fake_task_store.hpp"
#include "fakes/recording_log.hpp"
#include "support/ticker.hpp"
#include "unit/ssh/ssh_host.hpp"

namespace gpuwarden::app {
namespace {

using namespace std::chrono_literals;

constexpr int kPods = 200;

/// What stands on a pod in place of the startup script: it takes the payload and says that every step is
/// done.
std::string forced_command(const std::string& directory) {
  const std::string path = directory + "/pod.sh";
  std::ofstream(path) << R"sh(#!/bin/bash
case $SSH_ORIGINAL_COMMAND in
  *gpuwarden-launch*) ;;
  *) exit 97 ;;
esac
worker=${SSH_ORIGINAL_COMMAND##*gpuwarden-launch }
worker=${worker%%[!a-z0-9-]*}
[ "$(wc -c)" -gt 10000 ] || exit 1
for step in preflight fetch setup start; do
  for event in begin end; do
    printf '@gpuwarden {"v":1,"worker":"%s","step":"%s","event":"%s","t":"2026-11-24T00:00:00Z","exit":0,"tail":[]}\n' \
      "$worker" "$step" "$event"
  done
done
)sh";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all | std::filesystem::perms::others_exec |
                                         std::filesystem::perms::others_read);
  return path;
}

control::LoopSettings settings() {
  control::LoopSettings result;
  result.control.poll = 1s;
  result.policy.poll = 1s;
  result.policy.min_active = result.policy.max_active = kPods;
  result.policy.gpu_types = {"NVIDIA GeForce RTX 4090"};
  result.bootstrap.repo_url = "https://example.invalid/worker.git";
  result.bootstrap.start_cmd = "./start.sh";
  result.bootstrap.supabase_url = "https://project.supabase.co";
  result.holder = "test-holder";
  result.ssh_public_key = "ssh-ed25519 AAAA test";
  result.publishable_key = Secret("sb_publishable_test");
  return result;
}

/// Pods that run and have an SSH endpoint, of workers whose bring-up is due.
void add_pods(fakes::FakeTaskStore& store, fakes::FakePodProvider& provider, const ssh::SshHost& host) {
  for (int i = 0; i < kPods; ++i) {
    PodSpec spec;
    spec.name = make_worker_id("default", WallTime{1'764'000'000'000ms}, static_cast<std::uint32_t>(i)).str();
    const PodId pod = provider.add_pod(spec).id;
    provider.find(pod)->ssh = SshEndpoint{"127.0.0.1", host.port(), host.user()};
    Worker worker;
    worker.id = WorkerId(spec.name);
    worker.phase = Phase::starting;
    worker.pod = pod;
    worker.age = 30s;
    store.state.workers.push_back(std::move(worker));
  }
}

TEST(FleetBringUp, TwoHundredPodsOverRealSshNeverStallTheControlLoop) {
  if (!support::starved_so_far())
    GTEST_SKIP() << "this kernel does not say how long a thread waited for a processor";
  const ssh::SshHost keeper;  // its directory holds the script
  const std::string script = forced_command(keeper.directory());
  ssh::SshHost::Options options;
  options.more_config = "ForceCommand /bin/bash " + script + "\n";
  const ssh::SshHost pods(std::move(options));

  boost::asio::io_context io;
  SystemClock clock;
  fakes::FakeTaskStore store;
  fakes::FakePodProvider provider;
  fakes::RecordingLog log;
  SshPodShell shell(io.get_executor(), Secret(pods.user_key()));
  add_pods(store, provider, pods);
  std::uint64_t seed = 1;
  control::ControlLoop loop({store, provider, shell, clock, log, [&] { return seed++; },
                             [] {
                               return control::WorkerToken{Secret("token-of-a-test"), std::string(64, 'a')};
                             }},
                            settings());
  const auto brought_up = [&] {
    std::set<WorkerId> done;
    for (const Worker& worker : store.state.workers) {
      if (worker.phase == Phase::awaiting_heartbeat) done.insert(worker.id);
    }
    return done.size();
  };
  const MonoTime began = clock.now();
  Duration took{0};
  loop.on_tick = [&](const control::TickReport&) {
    if (brought_up() < kPods && clock.now() - began < 110s) return;
    took = clock.now() - began;
    loop.stop();
  };
  support::Ticker ticker(io);
  bool ended = false;
  boost::asio::co_spawn(io, loop.run(), [&](const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
    ended = true;
    io.stop();
  });
  io.run_for(118s);
  ASSERT_TRUE(ended);
  ticker.stop();
  const auto ms = [](auto duration) {
    return static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  std::printf("%zu pods brought up in %lld ms, longest loop lag %lld ms (%lld ms of our own)\n", brought_up(),
              ms(took), ms(ticker.worst), ms(ticker.worst_of_our_own));
  EXPECT_EQ(brought_up(), static_cast<std::size_t>(kPods));
  EXPECT_TRUE(store.failed.empty()) << store.failed.front().verdict.summary;
  EXPECT_LT(ms(ticker.worst_of_our_own), 100);
}

}  // namespace
}  // namespace gpuwarden::app
