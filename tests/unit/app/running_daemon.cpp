#include "running_daemon.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace gpuwarden::app {
namespace {

using boost::asio::awaitable;
using http::ServerRequest;
using http::ServerResponse;
using Json = nlohmann::json;
using namespace std::chrono_literals;

Json leading_snapshot() {
  return Json::parse(R"({
    "schema_version":4,"db_now":"2026-11-24T01:48:40Z","writable":true,
    "leader":{"leading":true,"epoch":1,"holder":"me","expires_in_s":30},
    "queue":{"queued":0,"running":0,"blocked":0,"by_type":{}},"workers":[],"running_tasks":[],"outcomes":[],
    "breaker":null,"breaker_override":null,"switches":{"paused":false},"tombstones":[],"rescuable":0,
    "spent_last_day_usd":0})");
}

}  // namespace

ServerResponse empty_account(const ServerRequest& request) {
  std::string body = R"({"gpus":[{"id":"NVIDIA GeForce RTX 4090","availability":"HIGH"}]})";
  if (request.path.ends_with("/pods"))
    body = R"({"pods":[],"pagination":{"nextCursor":null,"hasNextPage":false}})";
  if (request.path.ends_with("/network-volumes")) body = R"({"networkVolumes":[]})";
  return fakes::json_answer(200, std::move(body));
}

awaitable<ServerResponse> silence(ServerRequest /*request*/) {
  boost::asio::steady_timer never(co_await boost::asio::this_coro::executor,
                                  boost::asio::steady_timer::time_point::max());
  co_await never.async_wait(boost::asio::use_awaitable);
  co_return ServerResponse();
}

RunningDaemon::RunningDaemon() : snapshot(leading_snapshot()) {
  dir = (std::filesystem::temp_directory_path() / "gpuwarden-app.XXXXXX").string();
  if (mkdtemp(dir.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  supabase = std::make_unique<fakes::LoopbackService>(
      io, fakes::LoopbackService::Handler([this](ServerRequest request) -> awaitable<ServerResponse> {
        if (on_supabase) co_return co_await on_supabase(std::move(request));
        if (request.path.ends_with("gpuwarden_snapshot")) co_return fakes::json_answer(200, snapshot.dump());
        co_return fakes::json_answer(200,
                                     R"({"done":true,"reason":"","failures":0,"events":0,"more":false})");
      }));
  runpod = std::make_unique<fakes::LoopbackService>(
      io, fakes::LoopbackService::Handler([this](ServerRequest request) -> awaitable<ServerResponse> {
        if (on_runpod) co_return co_await on_runpod(std::move(request));
        co_return empty_account(request);
      }));
  notify_socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir + "/notify";
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::bind(notify_socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot bind the notify socket");

  settings = {{"SUPABASE_URL", supabase->url},
              {"SUPABASE_SECRET_KEY", "sb_secret_PLANTEDsecretPLANTED01"},
              {"SUPABASE_PUBLISHABLE_KEY", "sb_publishable_PLANTEDpub02"},
              {"RUNPOD_API_KEY", "rpa_PLANTEDrunpodPLANTED03"},
              {"RUNPOD_API_URL", runpod->url + "/v2"},
              {"RUNPOD_GPU_TYPE", "NVIDIA GeForce RTX 4090"},
              {"RUNPOD_WORKER_IMAGE", "runpod/pytorch:2.4.0"},
              {"WORKER_REPO_URL", "https://github.com/example/worker.git"},
              {"WORKER_START_CMD", "python3 worker.py"},
              {"ORCHESTRATOR_POLL_SEC", "1"},
              {"LOG_FORMAT", "json"},
              {"GPUWARDEN_LISTEN", "off"},
              {"GPUWARDEN_SOCKET", dir + "/control.sock"},
              {"GPUWARDEN_STATE_DIR", dir + "/state"}};
  environment = {{"GPUWARDEN_ENV_FILE", dir + "/gpuwarden.env"},
                 {"NOTIFY_SOCKET", path},
                 {"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  const auto own = test::own_environment();
  for (const auto* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const auto at = own.find(name); at != own.end()) environment[name] = at->second;
  }
}

RunningDaemon::~RunningDaemon() {
  if (process_) process_->signal(SIGKILL);
  process_.reset();
  ::close(notify_socket_);
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
}

void RunningDaemon::start() {
  write_settings();
  process_ = std::make_unique<test::Process>(std::vector<std::string>{GPUWARDEN_PROGRAM, "run"}, environment,
                                             dir + "/log");
}

bool RunningDaemon::until(std::chrono::milliseconds limit, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    io.restart();
    io.run_for(20ms);
    read_notifications();
  }
  return true;
}

int RunningDaemon::ended(std::chrono::milliseconds limit) {
  int code = -1;
  until(limit, [&] {
    code = process_->wait(0ms).value_or(-1);
    return code != -1;
  });
  return code;
}

void RunningDaemon::write_settings() {
  std::ofstream file(dir + "/gpuwarden.env");
  file << "# written by a test\n";
  for (const auto& [name, value] : settings) file << name << "=" << value << "\n";
}

std::string RunningDaemon::log() const {
  return test::read_file(dir + "/log");
}

std::vector<Json> RunningDaemon::lines(const std::string& event) const {
  std::vector<Json> found;
  std::istringstream text(log());
  for (std::string line; std::getline(text, line);) {
    Json entry = Json::parse(line, nullptr, false);
    if (entry.is_object() && entry.value("event", "") == event) found.push_back(std::move(entry));
  }
  return found;
}

long RunningDaemon::notified(const std::string& message) {
  read_notifications();
  return std::count(notifications_.begin(), notifications_.end(), message);
}

void RunningDaemon::read_notifications() {
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t length = ::recv(notify_socket_, buffer.data(), buffer.size(), 0);
    if (length <= 0) return;
    notifications_.emplace_back(buffer.data(), static_cast<std::size_t>(length));
  }
}

}  // namespace gpuwarden::app
