#include "gpuwarden/app/journal.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpuwarden/app/version.hpp"

#include "journal_codec.hpp"

namespace gpuwarden::app {
namespace {

using journal::Json;

std::string words_of(int error) {
  return std::generic_category().message(error);
}

/// What a secret could hide in are texts; a replacement in the line as a whole could tear the JSON.
void redact_texts(Json& json, const Redactor& redactor) {
  if (json.is_string()) {
    json = redactor.redact(json.get_ref<const std::string&>());
  } else if (json.is_structured()) {
    for (Json& child : json) redact_texts(child, redactor);
  }
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Journal::Journal(JournalSettings settings, const Redactor& redactor, ports::Log& log)
    : settings_(std::move(settings)), redactor_(redactor), log_(log) {}

Journal::~Journal() {
  if (file_ != -1) ::close(file_);
}

bool Journal::open() {
  file_ = ::open(settings_.path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  struct stat facts {};
  if (file_ == -1 || ::fstat(file_, &facts) != 0) {
    trouble(fmt::format("{} cannot be opened: {}", settings_.path, words_of(errno)));
    return false;
  }
  size_ = static_cast<std::size_t>(facts.st_size);
  // A process that was killed in the middle of a line left it without an end.
  char last = '\n';
  if (size_ > 0 && ::pread(file_, &last, 1, facts.st_size - 1) == 1 && last != '\n') put_bytes("\n");
  return file_ != -1;
}

void Journal::rotate() {
  ::close(std::exchange(file_, -1));
  const std::string old = settings_.path + ".1";
  if (std::rename(settings_.path.c_str(), old.c_str()) != 0) {
    trouble(fmt::format("{} cannot become {}: {}", settings_.path, old, words_of(errno)));
    return;
  }
  open();
}

void Journal::trouble(const std::string& what) {
  given_up_ = true;
  if (file_ != -1) ::close(std::exchange(file_, -1));
  log_.error("journal_failed",
             what + ". Nothing more is recorded. Mend it, then: systemctl restart gpuwarden",
             {{"path", settings_.path}});
}

std::string Journal::clean(const std::string& line) const {
  if (redactor_.redact(line) == line) return line;
  Json json = Json::parse(line, nullptr, false);
  redact_texts(json, redactor_);
  return text_of(json);
}

void Journal::put(const std::string& line) {
  if (file_ != -1) put_bytes(clean(line) + "\n");
}

void Journal::put_bytes(const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(file_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      trouble(fmt::format("{} cannot be written: {}", settings_.path, words_of(errno)));
      return;
    }
    done += static_cast<std::size_t>(written);
  }
  size_ += bytes.size();
}

void Journal::record(const control::DecisionRecord& record) {
  if (given_up_) return;
  if (!begun_) {
    begun_ = true;
    if (!open()) return;
    if (size_ >= settings_.rotate_at) rotate();
    // A process begins with an empty memory; what it was told before its first tick is in that tick.
    put(text_of(journal::start_json({journal::kFormat, kVersion, record.at, record.settings, {}})));
    settings_in_force_ = text_of(journal::settings_json(record.settings));
  }
  if (std::string now = text_of(journal::settings_json(record.settings)); now != settings_in_force_) {
    put(now);
    settings_in_force_ = std::move(now);
  }
  put(text_of(journal::tick_json(record)));
  if (file_ == -1 || size_ < settings_.rotate_at) return;
  rotate();
  put(text_of(journal::start_json({journal::kFormat, kVersion, record.at, record.settings, record.after})));
}

}  // namespace gpuwarden::app
