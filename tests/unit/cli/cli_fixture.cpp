#include "cli_fixture.hpp"

#include <sstream>

#include <boost/asio/co_spawn.hpp>

namespace gpuwarden::cli::testing {

Terminal::Terminal() {
  environment = {{"SUPABASE_URL", "https://abcdefghijkl.supabase.co"},
                 {"SUPABASE_SECRET_KEY", kSecretKey},
                 {"SUPABASE_PUBLISHABLE_KEY", "sb_publishable_PLANTEDpub03"},
                 {"RUNPOD_API_KEY", kRunpodKey},
                 {"RUNPOD_GPU_TYPE", "NVIDIA GeForce RTX 4090"},
                 {"RUNPOD_WORKER_IMAGE", "runpod/pytorch:2.4.0"},
                 {"WORKER_REPO_URL", "https://github.com/example/worker.git"},
                 {"WORKER_START_CMD", "python3 worker.py"}};
  store->wall = [this] { return clock->wall(); };
}

Terminal& Terminal::set(const std::string& name, const std::string& value) {
  environment[name] = value;
  return *this;
}

Spoken Terminal::type(const std::vector<std::string>& words) {
  std::ostringstream out, err;
  Output output{out, err, false, colour, width};
  std::vector<const char*> argv{"gpuwarden"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  const ParsedLine line = parse(static_cast<int>(argv.size()), argv.data(), output);
  if (!line.invocation) return {line.exit_code, out.str(), err.str()};

  config::Source source;
  source.environment = environment;
  source.state_directory = "/state";
  source.read_file = [this](const std::string& path) -> Result<std::string> {
    const auto at = files.find(path);
    if (at == files.end()) return fail(ErrorKind::not_found, "No such file or directory");
    return at->second;
  };
  config::read_env_file(source);
  Offline offline;
  offline.replay = [this](const ReplayRequest& request) -> Result<std::string> {
    replayed.push_back(request);
    return replay_answer;
  };
  offline.read_file = source.read_file;
  if (const auto code = run_offline(*line.invocation, source, offline, output))
    return {*code, out.str(), err.str()};

  // No test makes a key on disk.
  const bool connects = ssh_key_need(*line.invocation) == config::SshKey::make;
  const config::Loaded loaded =
      config::load(source, connects ? config::SshKey::check : config::SshKey::unused);
  Services services;
  if (loaded.config) {
    services.store = store;
    services.provider = provider;
    services.shell = shell;
    services.clock = clock;
    services.ask_daemon = [this](std::string path) -> ports::Async<std::string> {
      daemon_paths.push_back(path);
      co_return daemon_answer;
    };
    services.cycle = [this](bool dry) -> ports::Async<control::CycleSummary> {
      cycles.push_back(dry);
      co_return cycle;
    };
    services.check_pod =
        [this](control::PodCheckupHooks hooks) -> boost::asio::awaitable<control::PodCheckup> {
      if (hooks.waiting) hooks.waiting("waiting for the pod to run, 4s so far");
      for (const control::PodFinding& finding : pod_checkup.findings) hooks.found(finding);
      co_return pod_checkup;
    };
    services.explain = [this](std::string worker) -> ports::Async<std::string> {
      explained.push_back(worker);
      co_return explanation;
    };
  }
  int code = -1;
  boost::asio::co_spawn(io_, run_online(*line.invocation, loaded, services, output),
                        [&code](const std::exception_ptr& failure, int result) {
                          if (failure) std::rethrow_exception(failure);
                          code = result;
                        });
  clock->advance(io_, patience);
  return {code, out.str(), err.str()};
}

ports::WorkerRow worker_row(const std::string& id) {
  ports::WorkerRow row;
  row.id = id;
  row.status = "active";
  row.phase = "busy";
  row.pod = "pod-1";
  row.gpu = "NVIDIA GeForce RTX 4090";
  row.data_center = "EU-RO-1";
  row.created_at = fakes::FakeClock::kWallStart;
  row.last_heartbeat = fakes::FakeClock::kWallStart + std::chrono::minutes(5);
  row.cost_usd = 0.037;
  row.details_json = R"({"git_commit":"0123abc","script_hash":"beef"})";
  return row;
}

ports::FailureRow failure_row(const std::string& worker, const std::string& cause) {
  ports::FailureRow row;
  row.id = "7";
  row.worker = worker;
  row.cause = cause;
  row.summary = "the worker ended with exit code 2";
  row.evidence_line = "worker.py: error: unrecognized arguments: --wgp-profile 4";
  row.phase = "bootstrapping:start";
  row.created_at = fakes::FakeClock::kWallStart;
  row.cost_usd = 0.012;
  row.evidence_json = R"({"exit_code":2})";
  return row;
}

ports::EventRow event_row(std::int64_t id, Duration after, const std::string& worker,
                          const std::string& event, const std::string& detail_json, const std::string& task) {
  return {id, fakes::FakeClock::kWallStart + after, worker, task, event, detail_json};
}

}  // namespace gpuwarden::cli::testing
