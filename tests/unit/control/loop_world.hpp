#pragma once

#include <exception>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "gpuwarden/control/loop.hpp"

#include "fakes/fake_clock.hpp"
#include "fakes/fake_pod_provider.hpp"
#include "fakes/fake_pod_shell.hpp"
#include "fakes/fake_task_store.hpp"
#include "fakes/recording_log.hpp"

namespace gpuwarden::control {

using namespace std::chrono_literals;

/// The real control loop, policies and bring-up over fake ports and virtual time.
struct LoopWorld {
  boost::asio::io_context io;
  fakes::FakeClock clock;
  fakes::FakeTaskStore store;
  fakes::FakePodProvider provider;
  fakes::FakePodShell shell;
  fakes::RecordingLog log;
  std::uint64_t seed{1};

  Environment environment() {
    return {store,
            provider,
            shell,
            clock,
            log,
            [this] { return seed++; },
            [] {
              return WorkerToken{Secret("token-of-a-test"), std::string(64, 'a')};
            }};
  }
  static LoopSettings settings() {
    LoopSettings settings;
    settings.control.stall_probe = std::chrono::milliseconds(250);
    settings.control.image = "image";
    settings.policy.gpu_types = {"NVIDIA GeForce RTX 4090"};
    settings.bootstrap.repo_url = "https://example.invalid/worker.git";
    settings.bootstrap.start_cmd = "./start.sh";
    settings.bootstrap.supabase_url = "https://project.supabase.co";
    settings.holder = "test-holder";
    settings.ssh_public_key = "ssh-ed25519 AAAA test";
    settings.publishable_key = Secret("sb_publishable_test");
    return settings;
  }
  /// Starts a coroutine; it makes progress with `advance`.
  void start(boost::asio::awaitable<void> what) {
    boost::asio::co_spawn(io, std::move(what), [](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }
  void advance(Duration duration) { clock.advance(io, duration); }

  /// Runs one coroutine to its end on virtual time.
  template <class T>
  T finish(boost::asio::awaitable<T> what, Duration limit = 10min) {
    std::optional<T> result;
    boost::asio::co_spawn(io, std::move(what), [&](const std::exception_ptr& failure, T value) {
      if (failure) std::rethrow_exception(failure);
      result = std::move(value);
    });
    for (Duration passed{0}; !result && passed < limit; passed += 100ms) advance(100ms);
    if (!result) throw std::runtime_error("the coroutine did not end");
    return std::move(*result);
  }
};

}  // namespace gpuwarden::control
