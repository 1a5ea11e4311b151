#include <fmt/format.h>

#include "gpuwarden/config/keys.hpp"

#include "checks.hpp"
#include "own_ssh_key.hpp"
#include "text.hpp"

namespace gpuwarden::config {
namespace {

constexpr const char* kPrivate = "RUNPOD_SSH_PRIVATE_KEY";
constexpr const char* kPublic = "RUNPOD_SSH_PUBLIC_KEY";

/// Line feeds only, one at the end; "\n" in two characters counts as a line feed where there is no real one.
/// Quotes around the whole go away: docker's --env-file leaves them.
std::string normal_key(std::string_view text) {
  text = trimmed(text);
  if (text.size() > 1 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  std::string out(text);
  if (out.find('\n') == std::string::npos) {
    for (auto at = out.find("\\n"); at != std::string::npos; at = out.find("\\n", at))
      out.replace(at, 2, "\n");
  }
  std::erase(out, '\r');
  return std::string(trimmed(out)) + "\n";
}

std::string expanded(const std::string& path, const Source& source) {
  const auto home = source.environment.find("HOME");
  return path.starts_with("~/") && home != source.environment.end() ? home->second + path.substr(1) : path;
}

Entry* entry_of(Loaded& loaded, std::string_view name) {
  for (Entry& entry : loaded.entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

struct KeyText {
  std::string name, text, origin;
};

/// What is wrong with the key.
struct Trouble {
  std::vector<Problem> problems;
  bool not_ours{false};  ///< nothing but that this user may not read the key
  bool own{false};       ///< it is the daemon's own key
};

/// The key that the operator named; empty text when none.
KeyText given_private_key(const Draft& draft, const Source& source, Trouble& trouble) {
  std::string text = draft.ssh_private_key, path = draft.ssh_private_key_path;
  std::string name = kPrivate;
  if (!text.empty() && !path.empty()) {
    trouble.problems.push_back(
        {kPrivate, "is set, and RUNPOD_SSH_PRIVATE_KEY_PATH too. Remove one of them."});
    return {};
  }
  if (path.empty() && (text.starts_with('/') || text.starts_with("~/"))) path.swap(text);
  if (path.empty()) return {name, text.empty() ? "" : normal_key(text), kPrivate};
  if (!draft.ssh_private_key_path.empty()) name = "RUNPOD_SSH_PRIVATE_KEY_PATH";
  path = expanded(path, source);
  const auto read = source.read_file(path);
  if (!read) {
    trouble.not_ours = read.error().kind == ErrorKind::unauthorized;
    trouble.problems.push_back({name, fmt::format("cannot read {}: {}. Check the path and who may read it.",
                                                  quoted(path), read.error().message)});
    return {};
  }
  return {name, normal_key(*read), path};
}

/// The key that the daemon made itself, made now where `make` is set; empty text when there is none yet.
KeyText own_private_key(const std::string& directory, const Source& source, bool make, Trouble& trouble) {
  const auto refuse = [&](std::string message) {
    trouble.problems.push_back({kPrivate, std::move(message)});
    return KeyText{};
  };
  if (directory.empty())
    return refuse(
        "is not set, and there is no state directory for a key of the daemon's own. Set GPUWARDEN_STATE_DIR "
        "or RUNPOD_SSH_PRIVATE_KEY_PATH.");
  const std::string path = own_key_path(directory);
  auto read = source.read_file(path);
  if (!read && read.error().kind == ErrorKind::not_found) {
    if (!make) return {kPrivate, "", "own key, will be made at the first run: " + path};
    if (const auto made = make_own_key(directory); !made)
      return refuse(
          fmt::format("is not set, and the daemon's own key cannot be made: {}. Set "
                      "GPUWARDEN_STATE_DIR to a directory that it may write.",
                      made.error().message));
    read = source.read_file(path);
  }
  if (read) return {kPrivate, normal_key(*read), "own key " + path};
  trouble.not_ours = read.error().kind == ErrorKind::unauthorized;
  trouble.own = true;
  return refuse(
      fmt::format("is not set, and the daemon's own key {} cannot be read: {}. Run as the user that "
                  "owns it, as in: sudo -u gpuwarden gpuwarden doctor",
                  quoted(path), read.error().message));
}

/// Key type and base64, without the comment.
std::string without_comment(std::string_view line) {
  line = trimmed(line);
  const auto first = line.find(' ');
  if (first == std::string_view::npos) return std::string(line);
  return std::string(line.substr(0, line.find(' ', first + 1)));
}

void check_public_key(const Draft& draft, const Source& source, const SshKeyFacts& facts, Trouble& trouble) {
  std::string name = kPublic, line = draft.ssh_public_key;
  if (!line.empty() && !draft.ssh_public_key_path.empty()) {
    trouble.problems.push_back({kPublic, "is set, and RUNPOD_SSH_PUBLIC_KEY_PATH too. Remove one of them."});
    return;
  }
  if (!draft.ssh_public_key_path.empty()) {
    name = "RUNPOD_SSH_PUBLIC_KEY_PATH";
    const auto read = source.read_file(expanded(draft.ssh_public_key_path, source));
    if (!read) {
      trouble.problems.push_back(
          {name, fmt::format("cannot read {}: {}. Remove it: the public key is derived.",
                             quoted(draft.ssh_public_key_path), read.error().message)});
      return;
    }
    line = *read;
  }
  if (!line.empty() && without_comment(line) != facts.public_line)
    trouble.problems.push_back(
        {name,
         fmt::format("does not belong to the private key ({} {}). Remove it: the public key is derived.",
                     facts.type, facts.fingerprint)});
}

/// Reads the key and everything that follows from it.
void read_ssh_key(Draft& draft, const Source& source, SshKey need, Loaded& loaded, Trouble& trouble) {
  KeyText key = given_private_key(draft, source, trouble);
  if (!trouble.problems.empty()) return;
  const bool own = key.text.empty();
  const bool make = need == SshKey::make && loaded.errors.empty();
  if (own) key = own_private_key(draft.config.daemon.state_dir, source, make, trouble);
  if (!trouble.problems.empty()) return;
  draft.config.ssh.origin = key.origin;
  if (Entry* entry = entry_of(loaded, kPrivate); own && entry != nullptr) entry->origin = key.origin;
  if (key.text.empty()) return;
  const auto facts = inspect_ssh_key(key.text);
  if (!facts) {
    trouble.problems.push_back(
        {key.name, (own ? "(" + key.origin + ") " : std::string()) + facts.error().message});
    return;
  }
  check_public_key(draft, source, *facts, trouble);
  if (!trouble.problems.empty()) return;
  draft.config.ssh.private_key = Secret(key.text);
  draft.config.ssh.public_key = facts->public_line + " gpuwarden";
  if (Entry* entry = entry_of(loaded, kPrivate)) entry->value = "[set]";
  if (Entry* entry = entry_of(loaded, kPublic); entry != nullptr && !entry->given) {
    entry->value = facts->public_line;
    entry->origin = "derived from the private key";
  }
}

}  // namespace

void resolve_ssh_key(Draft& draft, const Source& source, SshKey need, Loaded& loaded) {
  Trouble trouble;
  read_ssh_key(draft, source, need, loaded, trouble);
  if (trouble.problems.empty()) return;
  SshSettings& ssh = draft.config.ssh;
  switch (need) {
    case SshKey::unused:
      ssh.problem = trouble.problems.front().name + ": " + trouble.problems.front().message;
      ssh.not_ours = trouble.not_ours;
      return;
    case SshKey::check:
    case SshKey::make: {
      // The daemon's own key is private to its user, so that another one's check says nothing about it.
      auto& heard =
          need == SshKey::check && trouble.not_ours && trouble.own ? loaded.warnings : loaded.errors;
      heard.insert(heard.end(), trouble.problems.begin(), trouble.problems.end());
      return;
    }
  }
}

}  // namespace gpuwarden::config
