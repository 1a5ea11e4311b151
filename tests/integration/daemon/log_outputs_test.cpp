// Where the daemon's lines go beside standard error: alert webhook, database, and a file that cannot be
// opened.
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/http/server.hpp"

#include "support/stack.hpp"

namespace gpuwarden::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

/// Takes every message, on a thread of its own.
class Webhook {
 public:
  Webhook()
      : work_(io_.get_executor()),
        server_(io_.get_executor(),
                [this](http::ServerRequest request) -> boost::asio::awaitable<http::ServerResponse> {
                  const std::scoped_lock lock(mutex_);
                  messages_.push_back(Json::parse(request.body));
                  co_return http::ServerResponse{};
                }),
        port_(server_.listen_tcp("127.0.0.1", 0).value()),
        thread_([this] { io_.run(); }) {}
  ~Webhook() {
    io_.stop();
    thread_.join();
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/services/T0/PLANTEDhooktoken0123456789";
  }
  Json messages() {
    const std::scoped_lock lock(mutex_);
    return messages_;
  }
  /// Messages of that event.
  std::vector<Json> of(const std::string& event) {
    std::vector<Json> found;
    for (const Json& message : messages()) {
      if (message.at("event") == event) found.push_back(message);
    }
    return found;
  }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::mutex mutex_;
  Json messages_ = Json::array();
  http::Server server_;
  std::uint16_t port_;
  std::thread thread_;
};

TEST(LogOutputs, AlertsAndRowsTellOfACrashAndHoldNoSecret) {
  Webhook webhook;
  Stack::Options options;
  options.scenario = "worker-crash";
  options.overrides = {{"ALERT_WEBHOOK_URL", webhook.url()},
                       {"ENABLE_DB_LOGGING", "true"},
                       {"LOG_FILE", "/proc/version/gpuwarden.log"},
                       {"WORKER_PASS_ENV", "PLANTED"},
                       {"PLANTED", "NVIDIA GeForce RTX 4090"}};
  Stack stack(options);
  stack.add_tasks(3);
  stack.start_daemon();
  ASSERT_TRUE(eventually(90s, [&] { return !webhook.of("breaker_opened").empty(); })) << stack.daemon_log();
  const std::vector<Json> failures = webhook.of("worker_failed");
  ASSERT_EQ(failures.size(), 1U) << "alike ones are told once in ten minutes";
  EXPECT_EQ(failures[0]["cause"], "start_failed");
  EXPECT_EQ(failures[0]["owner"], "sandbox");
  EXPECT_THAT(failures[0]["evidence"].get<std::string>(), HasSubstr("unrecognized arguments"));
  EXPECT_EQ(failures[0]["text"], failures[0]["content"]);

  const std::string status = stack.status().dump();
  EXPECT_THAT(status, Not(HasSubstr("NVIDIA GeForce RTX 4090"))) << "answers pass the redactor";
  EXPECT_EQ(stack.stop_daemon(12s), 0);
  const Json rows = stack.sql(
      "select source_type, source_id, log_level, message, worker_id, cycle_number, metadata from system_logs "
      "where "
      "source_type = 'orchestrator_gpu'");
  std::set<std::string> events;
  for (const Json& row : rows) events.insert(row["metadata"]["event"].get<std::string>());
  EXPECT_THAT(events,
              testing::IsSupersetOf({"started", "spawning", "worker_failed", "save_breaker", "stopping"}));
  std::string everything = rows.dump() + webhook.messages().dump() + stack.daemon_log() + status;
  for (const std::string& secret :
       {stack.environment().at("SUPABASE_SECRET_KEY"), stack.environment().at("RUNPOD_API_KEY"),
        std::string("PLANTEDhooktoken0123456789")})
    EXPECT_THAT(everything, Not(HasSubstr(secret)));
  EXPECT_EQ(stack.log_events("log_file_unusable").size(), 1U);
  EXPECT_THAT(stack.daemon_log(),
              HasSubstr("LOG_FILE /proc/version/gpuwarden.log cannot be opened: Not a directory"));
}

}  // namespace
}  // namespace gpuwarden::test
