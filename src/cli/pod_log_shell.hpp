#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gpuwarden/bootstrap/script.hpp"
#include "gpuwarden/domain/pod.hpp"

#include "command.hpp"

namespace gpuwarden::cli {

/// Text that comes in pieces, handed on in whole lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::function<void(const std::string&)> on_line) : on_line_(std::move(on_line)) {}
  void feed(std::string_view piece);
  /// What is left without an end of line.
  void finish();

 private:
  std::function<void(const std::string&)> on_line_;
  std::string rest_;
};

/// Reads a worker's log on its pod by SSH. The host key is checked as the daemon does it: by the fingerprints
/// in the container's log, else the first one that is shown is held to.
class PodLogShell {
 public:
  PodLogShell(Services& services, WorkerId worker, Pod pod, bootstrap::PodLog log)
      : services_(services), worker_(std::move(worker)), pod_(std::move(pod)), log_(log) {}

  /// Called once, when SSH first answers.
  std::function<void()> on_connected;

  enum class Round { over, still_running, not_started };
  /// One command: the last `lines` lines, or with `follow` what came since the round before, for up to 45 s.
  /// Its error means that the connection is gone; the next round makes a new one.
  ports::Async<Round> read(int lines, bool follow, LineSplitter& out);

 private:
  ports::Async<std::monostate> connect();

  Services& services_;
  WorkerId worker_;
  Pod pod_;
  bootstrap::PodLog log_;
  std::optional<ports::HostKeyPin> pin_;
  std::unique_ptr<ports::ShellSession> session_;
  std::optional<std::size_t> offset_;  ///< what ends before it was printed
};

}  // namespace gpuwarden::cli
