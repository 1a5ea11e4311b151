#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "gpuwarden/http/server.hpp"

namespace gpuwarden::bootstrap::test {

/// The network peer of a pod: takes reports as the SQL function does, and the pod's own deletion.
class Peer {
 public:
  struct Report {
    std::string worker, token, apikey;
    nlohmann::json report;
  };
  /// Status of the answer to a report; called on the peer's thread.
  using Judge = std::function<int(const nlohmann::json& report)>;

  explicit Peer(Judge judge = nullptr) : judge_(std::move(judge)) {
    const auto bound = server_.listen_tcp("127.0.0.1", 0);
    if (!bound) std::abort();
    url = "http://127.0.0.1:" + std::to_string(*bound);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Peer() {
    io_.stop();
    thread_.join();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::vector<Report> reports(const std::string& kind = "") {
    const std::lock_guard lock(mutex_);
    std::vector<Report> found;
    for (const Report& each : accepted_)
      if (kind.empty() || each.report.value("kind", "") == kind) found.push_back(each);
    return found;
  }
  std::vector<std::string> deletions() {
    const std::lock_guard lock(mutex_);
    return deletions_;
  }
  /// What a client of the repositories below /private showed as its login, once it was asked.
  std::vector<std::string> logins() {
    const std::lock_guard lock(mutex_);
    return logins_;
  }
  void direct(const std::string& directive) {
    const std::lock_guard lock(mutex_);
    directive_ = directive;
  }
  void judge(Judge judge) {
    const std::lock_guard lock(mutex_);
    judge_ = std::move(judge);
  }

  std::string url;

 private:
  http::ServerResponse answer(const http::ServerRequest& request) {
    const std::lock_guard lock(mutex_);
    http::ServerResponse response;
    if (request.method == "DELETE") {
      deletions_.push_back(request.path + " " + std::string(request.header("authorization").value_or("")));
      response.status = 204;
      return response;
    }
    if (request.path.starts_with("/private/")) {
      const auto login = request.header("authorization");
      response.status = login ? 404 : 401;
      if (login) logins_.emplace_back(*login);
      response.headers.emplace_back("www-authenticate", "Basic realm=\"git\"");
      return response;
    }
    const auto body = nlohmann::json::parse(request.body, nullptr, false);
    if (request.path != "/rest/v1/rpc/gpuwarden_worker_report" || !body.is_object()) {
      response.status = 404;
      response.body = R"({"code":"PGRST202","message":"Could not find the function"})";
      return response;
    }
    Report report{body.value("worker_id_param", ""), body.value("token_param", ""),
                  std::string(request.header("apikey").value_or("")),
                  body.value("report_param", nlohmann::json())};
    response.status = judge_ ? judge_(report.report) : 200;
    if (response.status == 200) {
      accepted_.push_back(std::move(report));
      response.body = nlohmann::json{{"directive", directive_}, {"lease_sec", 3600}, {"busy", false}}.dump();
    } else {
      response.body = R"({"code":"PT403","message":"gpuwarden: unknown worker or wrong token"})";
    }
    return response;
  }

  std::mutex mutex_;
  Judge judge_;
  std::string directive_{"continue"};
  std::vector<Report> accepted_;
  std::vector<std::string> deletions_;
  std::vector<std::string> logins_;
  boost::asio::io_context io_{1};
  http::Server server_{io_.get_executor(),
                       [this](http::ServerRequest request) -> boost::asio::awaitable<http::ServerResponse> {
                         co_return answer(request);
                       }};
  std::thread thread_;
};

}  // namespace gpuwarden::bootstrap::test
