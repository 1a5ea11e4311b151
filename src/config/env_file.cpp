#include "env_file.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "gpuwarden/config/config.hpp"

#include "text.hpp"

namespace gpuwarden::config {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}

bool is_name(std::string_view text) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
         std::all_of(text.begin(), text.end(), fits);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  EnvText read() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    while (next_line()) assignment();
    return std::move(result_);
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  bool line_ends() const { return done() || is_line_end(peek()); }
  char take() {
    const char c = text_[at_++];
    if (c == '\n') ++line_;
    return c;
  }
  void skip_blanks() {
    while (!done() && is_blank(peek())) take();
  }
  void skip_line() {
    while (!line_ends()) take();
  }

  /// Moves to the next line that says something; false at the end.
  bool next_line() {
    while (!done()) {
      if (is_blank(peek()) || is_line_end(peek())) {
        take();
      } else if (peek() == '#' || peek() == ';') {
        skip_line();
      } else {
        return true;
      }
    }
    return false;
  }

  void bad(int line, std::string message) { result_.bad_lines.push_back({line, std::move(message)}); }

  void assignment() {
    const int line = line_;
    std::string name;
    while (!line_ends() && peek() != '=') name.push_back(take());
    if (line_ends()) return bad(line, "is not NAME=value. Mend it, or put # in front.");
    take();
    name = std::string(trimmed(name));
    const auto value = this->value(line);
    if (!value) return;
    constexpr std::string_view kExport = "export ";
    if (is_name(name)) {
      result_.assignments.push_back({name, *value, line});
    } else if (name.starts_with(kExport) && is_name(trimmed(name.substr(kExport.size())))) {
      bad(line, "begins with 'export', as only a shell reads it. Remove the word.");
    } else {
      bad(line, "has no valid name before the =. Use letters, digits and _, not a digit first.");
    }
  }

  /// None: the line is bad and was said to be.
  std::optional<std::string> value(int line) {
    skip_blanks();
    if (line_ends()) return "";
    return peek() == '"' || peek() == '\'' ? quoted_value(line) : bare_value();
  }

  std::string bare_value() {
    std::string value;
    std::size_t kept = 0;  // trailing blanks count only when escaped
    while (!line_ends()) {
      const char c = take();
      if (c == '\\') {
        escaped(value);
        kept = value.size();
        continue;
      }
      value.push_back(c);
      if (!is_blank(c)) kept = value.size();
    }
    value.resize(kept);
    return value;
  }

  /// What follows a backslash in a bare value: the character itself, or the next line.
  void escaped(std::string& value) {
    if (done()) return;
    if (!is_line_end(peek())) return value.push_back(take());
    if (take() == '\r' && !done() && peek() == '\n') take();
  }

  /// One or more quoted pieces side by side.
  std::optional<std::string> quoted_value(int line) {
    std::string value;
    while (!done() && (peek() == '"' || peek() == '\'')) {
      const std::size_t began = at_;
      const int began_line = line_;
      if (piece(value)) continue;
      // The rest of the file may be in order: go on behind the line in which the quote stands.
      at_ = began;
      line_ = began_line;
      skip_line();
      bad(began_line, "has a quote that is never closed. Close it, or put the value in the other kind.");
      return std::nullopt;
    }
    skip_blanks();
    if (line_ends()) return value;
    skip_line();
    bad(line,
        "has text behind the closing quote. Put the whole value in single quotes, as in "
        "NAME='\"my prog\" --arg \"x\"', or begin it without a quote.");
    return std::nullopt;
  }

  /// A quoted piece up to its closing quote; false when there is none.
  bool piece(std::string& value) {
    const char quote = take();
    while (!done()) {
      const char c = take();
      if (c == quote) return true;
      if (c != '\\' || quote == '\'') {
        value.push_back(c);
        continue;
      }
      if (done()) return false;
      const char next = take();
      if (next == '\n') continue;
      constexpr std::string_view kEscapable = "\"\\`$";
      if (kEscapable.find(next) == std::string_view::npos) value.push_back('\\');
      value.push_back(next);
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_{0};
  int line_{1};
  EnvText result_;
};

constexpr const char* kNamed = "GPUWARDEN_ENV_FILE";

std::string cannot_read(const EnvFile& file, const Error& error) {
  if (error.kind == ErrorKind::unauthorized)
    return fmt::format(
        "this user may not read {}. Use sudo, or join the group that may: sudo usermod -aG "
        "gpuwarden $USER, then log in again.",
        file.path);
  return fmt::format("cannot read {}: {}. Correct the path, or unset {}.", quoted(file.path), error.message,
                     kNamed);
}

void assign(Source& source, Assignment assignment) {
  EnvFile& file = source.file;
  const std::string place = fmt::format("{}:{}", file.path, assignment.line);
  if (assignment.name == kNamed) {
    file.warnings.push_back({place, fmt::format("{} has no effect inside a file. Remove it.", kNamed)});
    return;
  }
  if (const auto earlier = source.origins.find(assignment.name); earlier != source.origins.end()) {
    file.warnings.push_back({place, fmt::format("sets {} again, after {}; the last one counts. Remove one.",
                                                assignment.name, earlier->second)});
  } else if (const auto outer = source.environment.find(assignment.name);
             outer != source.environment.end() && outer->second != assignment.value) {
    file.warnings.push_back(
        {place, fmt::format("sets {}, which the environment sets to another value; the file counts.",
                            assignment.name)});
  }
  source.origins[assignment.name] = place;
  source.environment[assignment.name] = std::move(assignment.value);
}

}  // namespace

EnvText parse_env_text(std::string_view text) {
  return Reader(text).read();
}

void read_env_file(Source& source) {
  EnvFile& file = source.file;
  if (const auto named = source.environment.find(kNamed); named != source.environment.end()) {
    file.path = trimmed(named->second);
    source.environment.erase(named);
  } else if (!source.environment.contains("SUPABASE_URL")) {
    file.path = kServiceEnvFile;
    file.by_default = true;
  }
  if (file.path.empty()) return;
  const auto text = source.read_file(file.path);
  if (!text && file.by_default && text.error().kind == ErrorKind::not_found) {
    file = {};
    return;
  }
  // The service's configuration speaks of the service's state, whoever reads it.
  if (file.path == kServiceEnvFile && !source.environment.contains("STATE_DIRECTORY"))
    source.state_directory = "/var/lib/gpuwarden";
  if (!text) {
    file.unreadable = true;
    file.errors.push_back({kNamed, cannot_read(file, text.error())});
    return;
  }
  EnvText lines = parse_env_text(*text);
  for (const BadLine& bad : lines.bad_lines)
    file.errors.push_back({fmt::format("{}:{}", file.path, bad.line), bad.message});
  for (Assignment& assignment : lines.assignments) assign(source, std::move(assignment));
}

}  // namespace gpuwarden::config
