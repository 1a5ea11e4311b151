#pragma once

#include <map>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "gpuwarden/cli/context.hpp"

#include "fakes/fake_clock.hpp"
#include "fakes/fake_pod_provider.hpp"
#include "fakes/fake_pod_shell.hpp"
#include "fakes/fake_task_store.hpp"

namespace gpuwarden::cli::testing {

inline constexpr const char* kSecretKey = "sb_secret_PLANTEDsecret01";
inline constexpr const char* kRunpodKey = "rpa_PLANTEDrunpodkey0002";

struct Spoken {
  int code{-1};  ///< -1: the command has not ended
  std::string out, err;
};

/// The program without a process: a command line in, exit code and text out, fakes behind it.
struct Terminal {
  Terminal();
  /// Words after "gpuwarden".
  Spoken type(const std::vector<std::string>& words);
  Terminal& set(const std::string& name, const std::string& value);

  std::map<std::string, std::string> environment;
  std::map<std::string, Result<std::string>> files;
  std::shared_ptr<fakes::FakeTaskStore> store = std::make_shared<fakes::FakeTaskStore>();
  std::shared_ptr<fakes::FakePodProvider> provider = std::make_shared<fakes::FakePodProvider>();
  std::shared_ptr<fakes::FakePodShell> shell = std::make_shared<fakes::FakePodShell>();
  std::shared_ptr<fakes::FakeClock> clock = std::make_shared<fakes::FakeClock>();
  Result<std::string> daemon_answer =
      fail(ErrorKind::not_found, "nothing listens on /run/gpuwarden/control.sock");
  Result<control::CycleSummary> cycle = control::CycleSummary{};
  std::vector<bool> cycles;                             ///< dry?
  Result<std::string> explanation = std::string("{}");  ///< of a dry cycle
  std::vector<std::string> explained;                   ///< workers asked about
  control::PodCheckup pod_checkup;                      ///< what a check-up on a pod finds
  Result<std::string> replay_answer = std::string("{}");
  std::vector<ReplayRequest> replayed;
  std::vector<std::string> daemon_paths;
  bool colour{false};
  int width{100};
  /// After the command is under way and nothing is ready: moves time, for commands that wait.
  Duration patience{0};

 private:
  boost::asio::io_context io_;
};

/// A worker as the database describes it.
ports::WorkerRow worker_row(const std::string& id);
ports::FailureRow failure_row(const std::string& worker, const std::string& cause);
/// An event of a worker, `after` the clock's beginning.
ports::EventRow event_row(std::int64_t id, Duration after, const std::string& worker,
                          const std::string& event, const std::string& detail_json = "",
                          const std::string& task = "");

}  // namespace gpuwarden::cli::testing
