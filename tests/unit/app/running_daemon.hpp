#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "fakes/loopback_service.hpp"
#include "support/process.hpp"

namespace gpuwarden::app {

/// The real program, its environment file and its notify socket in a folder of their own, against a Supabase
/// and a Runpod that the test answers for.
class RunningDaemon {
 public:
  using Answer = std::function<boost::asio::awaitable<http::ServerResponse>(http::ServerRequest)>;

  RunningDaemon();
  ~RunningDaemon();
  RunningDaemon(const RunningDaemon&) = delete;
  RunningDaemon& operator=(const RunningDaemon&) = delete;

  void start();
  void signal(int number) { process_->signal(number); }
  /// Answers requests until `done` or the limit; true = done.
  bool until(std::chrono::milliseconds limit, const std::function<bool()>& done);
  /// Exit code; -1 when it still runs after `limit`.
  int ended(std::chrono::milliseconds limit);

  void write_settings();  ///< `settings` into the environment file
  std::string log() const;
  /// Lines of an event, newest last.
  std::vector<nlohmann::json> lines(const std::string& event) const;
  bool says(const std::string& event) const { return !lines(event).empty(); }
  /// How often this message came to the notify socket so far.
  long notified(const std::string& message);

  std::map<std::string, std::string> settings;     ///< GPUWARDEN_ENV_FILE
  std::map<std::string, std::string> environment;  ///< of the process
  nlohmann::json snapshot;                         ///< what gpuwarden_snapshot answers
  Answer on_supabase, on_runpod;                   ///< instead of the default answers
  boost::asio::io_context io;
  std::unique_ptr<fakes::LoopbackService> supabase, runpod;
  std::string dir;

 private:
  void read_notifications();

  std::unique_ptr<test::Process> process_;
  int notify_socket_{-1};
  std::vector<std::string> notifications_;
};

/// A Runpod account without pods, and a catalogue of one GPU type.
http::ServerResponse empty_account(const http::ServerRequest& request);
/// Never answers.
boost::asio::awaitable<http::ServerResponse> silence(http::ServerRequest request);

}  // namespace gpuwarden::app
