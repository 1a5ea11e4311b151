#include "gpuwarden/sandbox/sandbox.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "clock.hpp"
#include "pod_files.hpp"
#include "problem.hpp"
#include "sandbox_impl.hpp"

namespace gpuwarden::sandbox {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kLoopback = "127.0.0.1";

/// What the repository looks like to pods that start under a scenario.
WorkerVariant variant_of(const Scenario& scenario) {
  WorkerVariant variant;
  if (scenario.kind == ScenarioKind::worker_crash)
    variant.worker_args += scenario.param == "later" ? " --crash-after 6" : " --colour-mode fast";
  if (scenario.kind == ScenarioKind::cut_off ||
      (scenario.kind == ScenarioKind::script_failure && scenario.param == "setup"))
    variant.setup_error =
        "ERROR: Could not find a version that satisfies the requirement torch==99.1 (from versions: 2.8.0)";
  return variant;
}

bool repository_is_broken(const Scenario& scenario) {
  return scenario.kind == ScenarioKind::script_failure && scenario.param == "fetch";
}

}  // namespace

Result<void> Sandbox::Impl::prepare() {
  std::error_code error;
  fs::create_directories(options.dir, error);
  if (error) return fail(ErrorKind::internal, fmt::format("{}: {}", options.dir, error.message()));
  options.dir = fs::absolute(options.dir, error).lexically_normal().string();
  if (options.dir.ends_with('/')) options.dir.pop_back();
  if (error) return fail(ErrorKind::internal, fmt::format("{}: {}", options.dir, error.message()));
  auto taken = DirLock::take(options.dir);
  if (!taken) return fail(taken.error());
  lock = std::move(*taken);
  // What an earlier sandbox in this directory left when it was killed.
  for (const auto* name : {"/pods", "/ready.json"}) fs::remove_all(options.dir + name, error);
  for (const auto* name : {"/pods", "/volumes", "/logs", "/workspace"})
    fs::create_directories(options.dir + name, error);
  if (error) return fail(ErrorKind::internal, fmt::format("{}: {}", options.dir, error.message()));
  keys.ssh_key_path = options.dir + "/ssh_key";
  fs::remove(keys.ssh_key_path, error);
  const auto made = run_command({"/usr/bin/env", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
                                 "gpuwarden", "-f", keys.ssh_key_path},
                                {"PATH=/usr/local/bin:/usr/bin:/bin"});
  if (made.exit_code != 0) return fail(ErrorKind::internal, "ssh-keygen: " + made.output);
  keys.runpod = "rpa_" + random_word(40);
  return {};
}

Result<void> Sandbox::Impl::listen() {
  runpod_server = std::make_unique<http::Server>(
      executor, [this](http::ServerRequest request) -> asio::awaitable<http::ServerResponse> {
        if (request.path.starts_with("/git/"))
          co_return co_await repository->serve(std::move(request), repository_is_broken(scenario));
        co_return co_await stand_in->handle(std::move(request));
      });
  control_server = std::make_unique<http::Server>(
      executor, [this](http::ServerRequest request) { return control(std::move(request)); });
  const auto runpod = runpod_server->listen_tcp(std::string(kLoopback), 0);
  if (!runpod) return fail(runpod.error());
  const auto control_port = control_server->listen_tcp(std::string(kLoopback), 0);
  if (!control_port) return fail(control_port.error());
  ready.runpod = fmt::format("http://{}:{}/v2", kLoopback, *runpod);
  ready.repository = fmt::format("http://{}:{}/git/repo.git", kLoopback, *runpod);
  ready.control = fmt::format("http://{}:{}", kLoopback, *control_port);
  return {};
}

Result<void> Sandbox::Impl::apply(const Scenario& wanted) {
  if (auto pushed = repository->push(variant_of(wanted)); !pushed) return pushed;
  scenario = wanted;
  stand_in->set_scenario(wanted);
  if (database) database->apply(wanted);
  return {};
}

asio::awaitable<Result<std::string>> Sandbox::Impl::state() {
  using nlohmann::json;
  const auto& book = stand_in->book();
  const auto now = system_now();
  json pods = json::array();
  for (const auto& pod : book.living())
    pods.push_back({{"id", pod->id},
                    {"name", pod->name},
                    {"status", to_string(pod->state)},
                    {"gpu", pod->gpu},
                    {"data_center", pod->data_center},
                    {"ssh_port", pod->ssh_port},
                    {"age_s", static_cast<double>((now.mono - pod->created).count()) / 1000}});
  std::map<std::string, long> by_route;
  long refused = 0;
  for (const auto& request : stand_in->requests()) {
    const auto path = request.target.substr(0, request.target.find('?'));
    const bool one = path.starts_with("/v2/pods/");
    ++by_route[request.method + " " +
               (one ? (path.ends_with("/logs") ? "/v2/pods/{id}/logs" : "/v2/pods/{id}") : path)];
    if (request.status == 429) ++refused;
  }
  json answer{{"scenario", to_string(scenario)},
              {"pods", std::move(pods)},
              {"creates", stand_in->create_requests()},
              {"created", book.creates()},
              {"deletes", book.deletes()},
              {"duplicate_names", book.duplicate_names()},
              {"requests",
               {{"total", stand_in->requests().size()}, {"rate_limited", refused}, {"by_route", by_route}}},
              {"isolation", ready.isolation}};
  if (database) {
    const auto counts = co_await database->task_counts();
    if (!counts) co_return fail(counts.error());
    answer["tasks"] = json::parse(*counts);
    answer["requests"]["supabase"] = database->requests();
  }
  co_return answer.dump();
}

Sandbox::Sandbox(asio::any_io_executor executor, SandboxOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}

Sandbox::~Sandbox() = default;

asio::awaitable<Result<void>> Sandbox::start() {
  const auto impl = impl_;
  if (auto prepared = impl->prepare(); !prepared) co_return prepared;
  const auto& dir = impl->options.dir;
  const auto isolation = impl->options.namespaces ? strongest_isolation(dir) : Isolation::none;
  if (auto possible = login_works(isolation); !possible) co_return possible;
  impl->ready.isolation = to_string(isolation);
  if (impl->options.database) {
    impl->database = std::make_unique<Database>(impl->executor, dir);
    if (auto started = co_await impl->database->start(); !started) co_return started;
    impl->ready.supabase = impl->database->supabase_url();
    impl->ready.database_url = impl->database->database_url();
    impl->keys.supabase_secret = impl->database->secret_key();
    impl->keys.supabase_publishable = impl->database->publishable_key();
  }
  impl->host = std::make_unique<ContainerHost>(impl->executor,
                                               ContainerHostOptions{dir, impl->options.port_base, isolation});
  impl->repository = std::make_unique<GitRepository>(impl->executor, dir);
  if (auto made = impl->repository->create(); !made) co_return made;
  StandInOptions stand_in;
  stand_in.api_key = impl->keys.runpod;
  stand_in.quota_per_minute = impl->options.quota_per_minute;
  stand_in.provision_delay = impl->options.provision_delay;
  stand_in.pull_delay = impl->options.pull_delay;
  stand_in.start_delay = impl->options.start_delay;
  // The servers call what is made below only once requests arrive, which is after this function.
  if (auto listening = impl->listen(); !listening) co_return listening;
  stand_in.pod_env = {{"RUNPOD_API_URL", impl->ready.runpod}};
  impl->stand_in =
      std::make_unique<RunpodStandIn>(impl->executor, std::move(stand_in), *impl->host, system_now);
  if (auto applied = impl->apply(impl->options.scenario); !applied) co_return applied;
  impl->environment = make_environment(impl->ready, impl->keys, dir, isolation == Isolation::none);
  impl->ready.env_file = dir + "/gpuwarden.env";
  if (auto written = write_environment(impl->ready.env_file, impl->environment); !written) co_return written;
  co_return write_text(dir + "/" + std::string(kReadyFile), ready_json(impl->ready) + "\n", 0600);
}

std::string ready_json(const SandboxReady& ready) {
  return nlohmann::json{{"ready", true},
                        {"env_file", ready.env_file},
                        {"control", ready.control},
                        {"runpod_url", ready.runpod},
                        {"supabase_url", ready.supabase},
                        {"database_url", ready.database_url},
                        {"repository", ready.repository},
                        {"isolation", ready.isolation}}
      .dump();
}

asio::awaitable<void> Sandbox::stop() {
  const auto impl = impl_;
  if (impl->stand_in) co_await impl->stand_in->stop();
  if (impl->host) co_await impl->host->stop();
  if (impl->runpod_server) impl->runpod_server->stop();
  if (impl->control_server) impl->control_server->stop();
  if (impl->database) co_await impl->database->stop();
  std::error_code ignored;
  // When start() did not get that far, the file is that of another sandbox in the directory.
  if (!impl->ready.env_file.empty()) fs::remove(impl->options.dir + "/" + std::string(kReadyFile), ignored);
  impl->lock.release();
}

const SandboxReady& Sandbox::ready() const {
  return impl_->ready;
}
const std::map<std::string, std::string>& Sandbox::environment() const {
  return impl_->environment;
}
Result<void> Sandbox::set_scenario(const Scenario& scenario) {
  return impl_->apply(scenario);
}
const Scenario& Sandbox::scenario() const {
  return impl_->scenario;
}
void Sandbox::on_stop_request(std::function<void()> handler) {
  impl_->on_stop_request = std::move(handler);
}
int Sandbox::pod_pid(const std::string& pod_id) const {
  return impl_->host ? impl_->host->pid_of(pod_id) : 0;
}

asio::awaitable<Result<std::vector<std::string>>> Sandbox::add_tasks(int count, double seconds) {
  const auto impl = impl_;
  if (!impl->database) co_return fail(ErrorKind::refused, "this sandbox has no database");
  co_return co_await impl->database->add_tasks(count, seconds);
}

asio::awaitable<Result<std::string>> Sandbox::state() {
  const auto impl = impl_;
  co_return co_await impl->state();
}

}  // namespace gpuwarden::sandbox
