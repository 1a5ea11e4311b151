#include <algorithm>
#include <array>
#include <cctype>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include "text.hpp"
#include "types.hpp"
#include "url.hpp"

namespace gpuwarden::config {
namespace {

Type log_level() {
  const std::string words = "debug, info, warning or error";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            std::string word = lower(value);
            if (word == "warn") word = "warning";
            if (word != "debug" && word != "info" && word != "warning" && word != "error")
              return fmt::format("must be {}, not {}", words, quoted(value));
            draft.config.daemon.log_level = word;
            return {};
          }};
}

bool is_ip_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

Type listen_address() {
  const std::string words = "IP:port, localhost:port or off";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            DaemonSettings& daemon = draft.config.daemon;
            if (lower(value) == "off") {
              daemon.listen_port = 0;
              return {};
            }
            const auto colon = value.rfind(':');
            const auto port =
                colon == std::string_view::npos ? std::nullopt : parse_whole(value.substr(colon + 1));
            std::string_view name = value.substr(0, std::min(colon, value.size()));
            if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
            const std::string host = lower(name);
            if (!port || *port < 1 || *port > 65535 || (host != "localhost" && !is_ip_address(host)))
              return fmt::format("must be {}, not {}{}", words, quoted(value),
                                 host == "*" ? ". All addresses of this machine are 0.0.0.0" : "");
            daemon.listen_host = host;
            daemon.listen_port = static_cast<int>(*port);
            return {};
          }};
}

Type socket_path() {
  constexpr std::size_t kLongest = 107;  // sockaddr_un of Linux, without the final zero
  return {"an absolute path of at most 107 bytes", [=](std::string_view value, Draft& draft) -> std::string {
            if (!value.starts_with('/') || value.size() > kLongest)
              return fmt::format("must be an absolute path of at most {} bytes, not {}", kLongest,
                                 quoted(value));
            draft.config.daemon.socket_path = value;
            return {};
          }};
}

Type owner_name() {
  constexpr std::size_t kLongest = 30;  // the pod's name holds it beside 28 other characters
  const std::string words = "1 to 30 letters a-z, digits and inner hyphens";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            const auto fits = [](unsigned char c) {
              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            };
            if (value.size() > kLongest || value.starts_with('-') || value.ends_with('-') ||
                !std::all_of(value.begin(), value.end(), fits))
              return fmt::format("must be {}, not {}", words, quoted(value));
            draft.config.policy.owner = value;
            return {};
          }};
}

Type webhook() {
  return {"https URL", [](std::string_view value, Draft& draft) -> std::string {
            auto checked = checked_url(value, {true, true});
            if (!checked) return checked.error().message;
            draft.config.daemon.alert_webhook_url = std::move(*checked);
            return {};
          }};
}

}  // namespace

std::vector<Variable> daemon_variables() {
  const std::string group = "Daemon";
  return {
      {.name = "LOG_LEVEL",
       .group = group,
       .type = log_level(),
       .default_value = "info",
       .meaning = "Least important lines that are written."},
      {.name = "LOG_FORMAT",
       .group = group,
       .type = one_of(in(&Config::daemon, &DaemonSettings::log_format), {"plain", "json"}),
       .unset_means = "plain on a terminal, else json",
       .meaning = "How log lines look.",
       .example = "json",
       .restart = true},
      {.name = "LOG_FILE",
       .group = group,
       .type = absolute_path(in(&Config::daemon, &DaemonSettings::log_file)),
       .unset_means = "standard error only",
       .meaning = "Also write the log to this file.",
       .example = "/var/log/gpuwarden/gpuwarden.log",
       .restart = true},
      {.name = "GPUWARDEN_JOURNAL",
       .group = group,
       .type = absolute_path(in(&Config::daemon, &DaemonSettings::journal)),
       .unset_means = "nothing is recorded",
       .meaning = "Record every decision in this file (two files of 64 MB at most), for gpuwarden replay.",
       .example = "/var/log/gpuwarden/journal.jsonl",
       .restart = true},
      {.name = "GPUWARDEN_LISTEN",
       .group = group,
       .type = listen_address(),
       .default_value = "127.0.0.1:9464",
       .meaning = "Address of metrics and status page; anyone who reaches it can read them.",
       .restart = true},
      {.name = "GPUWARDEN_SOCKET",
       .group = group,
       .type = socket_path(),
       .default_value = "/run/gpuwarden/control.sock",
       .meaning = "Socket over which the commands talk to the daemon.",
       .restart = true},
      {.name = "GPUWARDEN_OWNER",
       .group = group,
       .type = owner_name(),
       .default_value = "default",
       .meaning = "Whose pods and rows these are; part of every pod's name. Two fleets need two owners.",
       .restart = true},
      {.name = "GPUWARDEN_STATE_DIR",
       .group = group,
       .type = absolute_path(in(&Draft::state_dir)),
       .unset_means = "systemd's state directory, else /var/lib/gpuwarden or ~/.local/state/gpuwarden",
       .meaning = "Where the daemon keeps its own SSH key.",
       .example = "/var/lib/gpuwarden",
       .restart = true},
      {.name = "GPUWARDEN_ON_EXIT",
       .group = group,
       .type = either(in(&Config::daemon, &DaemonSettings::drain_on_exit), "leave", "drain"),
       .default_value = "leave",
       .meaning = "When the daemon is stopped: leave the pods working, or drain and delete them first."},
      {.name = "ALERT_WEBHOOK_URL",
       .group = group,
       .type = webhook(),
       .unset_means = "no alerts",
       .meaning = "Gets a JSON message (Slack, Discord or your own) when something needs a human.",
       .example = "https://hooks.slack.com/services/...",
       .secret = true,
       .restart = true},
  };
}

}  // namespace gpuwarden::config
