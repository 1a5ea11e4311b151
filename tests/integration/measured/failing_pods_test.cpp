#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gpuwarden/base/format.hpp"
#include "gpuwarden/http/server.hpp"

#include "process_figures.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;

/// A port of loopback that refuses connections until it is opened: a starting shot for processes everywhere.
class Shot {
 public:
  Shot() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, any, length) != 0 || ::getsockname(socket_, any, &length) != 0) std::abort();
    port = ntohs(address.sin_port);
  }
  ~Shot() { ::close(socket_); }
  Shot(const Shot&) = delete;
  Shot& operator=(const Shot&) = delete;
  void fire() const {
    if (::listen(socket_, SOMAXCONN) != 0) std::abort();
  }
  int port{0};

 private:
  int socket_;
};

/// Takes alerts like Slack does.
class AlertReceiver {
 public:
  AlertReceiver() {
    const auto bound = server_.listen_tcp("127.0.0.1", 0);
    if (!bound) std::abort();
    url = "http://127.0.0.1:" + std::to_string(*bound) + "/hook";
    thread_ = std::thread([this] { io_.run(); });
  }
  ~AlertReceiver() {
    io_.stop();
    thread_.join();
  }
  AlertReceiver(const AlertReceiver&) = delete;
  AlertReceiver& operator=(const AlertReceiver&) = delete;
  std::vector<Json> of(const std::string& event) {
    const std::lock_guard lock(mutex_);
    std::vector<Json> found;
    for (const Json& alert : alerts_) {
      if (alert.value("event", "") == event) found.push_back(alert);
    }
    return found;
  }
  std::string url;

 private:
  std::mutex mutex_;
  std::vector<Json> alerts_;
  boost::asio::io_context io_{1};
  http::Server server_{io_.get_executor(),
                       [this](http::ServerRequest request) -> boost::asio::awaitable<http::ServerResponse> {
                         const std::lock_guard lock(mutex_);
                         alerts_.push_back(Json::parse(request.body, nullptr, false));
                         co_return http::ServerResponse{};
                       }};
  std::thread thread_;
};

TEST(FailingPods, AllAtOnceAreOneFaultOneAlertAndOneLineAndTheDaemonStaysQuickAndSmall) {
  const int pods = from_environment("GPUWARDEN_MEASURE_WORKERS", 10);
  const Shot shot;
  AlertReceiver receiver;
  Stack::Options options;
  options.overrides = {
      {"MIN_ACTIVE_GPUS", std::to_string(pods)},
      {"MAX_ACTIVE_GPUS", std::to_string(pods)},
      {"ORCHESTRATOR_POLL_SEC", "2"},
      {"HEARTBEAT_INTERVAL_SEC", "20"},
      {"HEARTBEAT_TIMEOUT_SEC", "120"},
      {"MAX_SPAWNS_PER_MINUTE", "120"},
      {"PROVISION_TIMEOUT_SEC", "600"},
      {"SPAWNING_TIMEOUT_SEC", "900"},
      {"ALERT_WEBHOOK_URL", receiver.url},
      // A log of which every line differs, then the same error everywhere.
      {"WORKER_START_CMD",
       "for i in $(seq 2000); do echo \"$RANDOM step $i of 2000: loss 0.$RANDOM\"; done; until (exec "
       "3<>/dev/tcp/127.0.0.1/" +
           std::to_string(shot.port) +
           ") 2>/dev/null; do sleep 0.5; done; echo \"RuntimeError: CUDA error: unspecified launch failure "
           "at "
           "0x$RANDOM\" >&2; exit 1"}};
  options.sandbox_arguments = {"--fast", "--quota", "100000"};
  Stack stack(options);
  stack.start_daemon();
  const pid_t daemon = stack.daemon().pid();
  const bool first = goes_first(daemon);
  ASSERT_TRUE(eventually(
      600s,
      [&] {
        Json status = stack.status();
        return status.is_object() && status["scale"]["active"] == pods;
      },
      500ms))
      << stack.daemon_log();
  const double before = resident_mb(daemon);
  const double stall_before = longest_stall_ms(stack);
  double stall = stall_before, peak = before;
  // Otherwise new pods, which fail at their start, would be other failures.
  ASSERT_EQ(stack.cli({"breaker", "hold", "--reason", "the fleet is about to fail"}).exit_code, 0);
  shot.fire();
  const auto began = std::chrono::steady_clock::now();
  const bool gone = eventually(
      240s,
      [&] {
        peak = std::max(peak, resident_mb(daemon));
        stall = std::max(stall, longest_stall_ms(stack));
        return stack.state().at("pods").empty();
      },
      500ms);
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  EXPECT_TRUE(gone) << stack.daemon_log();
  const bool small_again = eventually(
      30s, [&] { return resident_mb(daemon) <= before + 5.0; }, 500ms);
  const double after = resident_mb(daemon);

  const Json rows = stack.sql(
      "select count(*) as n, count(distinct fingerprint) as ways, min(cause) as cause, "
      "max(octet_length(evidence::text)) as "
      "bytes, max(extract(epoch from updated_at - created_at)) as collected_s from gpuwarden_failures");
  ASSERT_EQ(rows.size(), 1U);
  std::printf(
      "failing %d pods at once: all deleted after %.0f s, bundle at most %.0f KB and %.1f s, resident "
      "%.1f -> %.1f -> %.1f MB, longest stall %.0f -> %.0f ms%s, %zu alerts\n",
      pods, took, rows[0]["bytes"].get<double>() / 1024.0, rows[0]["collected_s"].get<double>(), before, peak,
      after, stall_before, stall, first ? "" : " (with all others on its processors)",
      receiver.of("worker_failed").size());
  EXPECT_EQ(rows[0]["n"], pods);
  EXPECT_EQ(rows[0]["ways"], 1)
      << stack.sql("select fingerprint, evidence_line from gpuwarden_failures").dump(1);
  EXPECT_EQ(rows[0]["cause"], "gpu_error");
  EXPECT_LE(rows[0]["bytes"], 65536);
  EXPECT_LE(rows[0]["collected_s"].get<double>(), 25.0);
  EXPECT_EQ(receiver.of("worker_failed").size(), 1U);
  if (first) EXPECT_LE(stall, 50.0);
  EXPECT_TRUE(small_again);
  const Finished report = stack.cli({"report", "--since", "1h", "--format", "text"});
  EXPECT_EQ(report.exit_code, 0);
  EXPECT_NE(report.output.find(std::to_string(pods) + " pods, $"), std::string::npos) << report.output;
}

TEST(FailingPods, AWorkerThatDiesOneSecondAfterItsStartIsARowWithItsCauseWithinTwoSeconds) {
  constexpr std::size_t kFailures = 20;
  Stack::Options options;
  options.sandbox_arguments = {"--fast", "--quota", "100000"};
  options.overrides = {
      {"MAX_ACTIVE_GPUS", "4"},
      {"ORCHESTRATOR_POLL_SEC", "1"},
      {"WORKER_START_CMD",
       "sleep 1; echo \"worker.py: error: unrecognized arguments: --turbo\"; date +%s.%N; exit 2"}};
  Stack stack(options);
  stack.add_tasks(4);
  // Otherwise the breaker would be open after the third.
  ASSERT_EQ(stack.cli({"breaker", "release", "--reason", "all failures are wanted here"}).exit_code, 0);
  stack.start_daemon();
  const bool all = eventually(
      420s, [&] { return stack.sql("select 1 from gpuwarden_failures").size() >= kFailures; }, 500ms);
  ASSERT_TRUE(all) << stack.daemon_log();
  const Json rows = stack.sql(
      "select cause, evidence_line, extract(epoch from created_at) as at, evidence from gpuwarden_failures "
      "order "
      "by created_at limit " +
      std::to_string(kFailures));
  std::vector<double> seconds;
  for (const Json& row : rows) {
    EXPECT_EQ(row["cause"], "start_failed");
    EXPECT_EQ(row["evidence_line"], "worker.py: error: unrecognized arguments: --turbo");
    const Json tails = row["evidence"]["tails"];
    for (const auto& [name, lines] : tails.items()) {
      if (!lines.is_array() || lines.empty() || name == "status" || name == "container" || name == "system")
        continue;
      const std::string last = lines.back().get<std::string>();
      if (last.size() > 10 && last.find_first_not_of("0123456789.") == std::string::npos) {
        seconds.push_back(row["at"].get<double>() - std::stod(last));
        break;
      }
    }
  }
  ASSERT_EQ(seconds.size(), kFailures) << rows[0].dump(1);
  std::sort(seconds.begin(), seconds.end());
  std::printf("failing at start, %zu times: process end to failure row median %.2f s, worst %.2f s\n",
              seconds.size(), seconds[seconds.size() / 2], seconds.back());
  EXPECT_LE(seconds[seconds.size() / 2], 2.0);
  EXPECT_LE(seconds.back(), 5.0);
}

}  // namespace
}  // namespace gpuwarden::test
