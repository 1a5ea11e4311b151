#pragma once

#include <cstddef>
#include <string>

#include "gpuwarden/base/redact.hpp"
#include "gpuwarden/control/loop.hpp"
#include "gpuwarden/ports/log.hpp"

namespace gpuwarden::app {

struct JournalSettings {
  std::string path;
  std::size_t rotate_at{64U << 20U};  ///< bytes; then it becomes PATH.1, and the one before that is gone
};

/// Every decision of the daemon with everything that it was made from, as JSON lines, so that `gpuwarden
/// replay` can make it again. One write a tick; nothing waits for the disk. Its own trouble is told once, and
/// ends the recording until the next start.
class Journal {
 public:
  /// References outlive this. A file that cannot be opened is told by the first record.
  Journal(JournalSettings settings, const Redactor& redactor, ports::Log& log);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void record(const control::DecisionRecord& record);

 private:
  bool open();
  void rotate();
  void put(const std::string& line);
  void put_bytes(const std::string& bytes);
  void trouble(const std::string& what);
  std::string clean(const std::string& line) const;

  JournalSettings settings_;
  const Redactor& redactor_;
  ports::Log& log_;
  int file_{-1};
  std::size_t size_{0};
  bool given_up_{false}, begun_{false};
  std::string settings_in_force_;  ///< as text, to see a change
};

}  // namespace gpuwarden::app
