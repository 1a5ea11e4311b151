#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "text.hpp"
#include "types.hpp"

namespace gpuwarden::config {
namespace {

Type repository() {
  const std::string words = "a git URL or an absolute path";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            const bool scp_form = value.find('@') != std::string_view::npos &&
                                  value.find(':') != std::string_view::npos &&
                                  value.find("//") == std::string_view::npos;
            const bool known = value.starts_with("https://") || value.starts_with("http://") ||
                               value.starts_with("ssh://") || value.starts_with("git://") ||
                               value.starts_with("file:///") || value.starts_with('/');
            if (!known && !scp_form) return fmt::format("must be {}, not {}", words, quoted(value));
            if (value.find_first_of(" \t") != std::string_view::npos) return "must not contain blanks";
            draft.config.bootstrap.repo_url = value;
            return {};
          }};
}

Type git_ref() {
  const std::string words = "a branch, tag or commit";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            const auto odd = [](unsigned char c) {
              return std::isalnum(c) == 0 &&
                     std::string_view("._/-+@").find(static_cast<char>(c)) == std::string_view::npos;
            };
            if (value.starts_with('-') || std::any_of(value.begin(), value.end(), odd))
              return fmt::format("must be {}, not {}", words, quoted(value));
            draft.config.bootstrap.repo_ref = value;
            return {};
          }};
}

Type name_list() {
  const std::string words = "names of environment variables, separated by commas";
  return {words, [=](std::string_view value, Draft& draft) -> std::string {
            std::vector<std::string> names = comma_list(value);
            for (const std::string& name : names) {
              const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
              if (std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
                  std::all_of(name.begin(), name.end(), fits))
                continue;
              const bool assignment = name.find('=') != std::string::npos;  // its value may be a secret
              return fmt::format("must be {}, not {}", words, assignment ? "NAME=value" : quoted(name));
            }
            draft.pass_env = std::move(names);
            return {};
          }};
}

}  // namespace

std::vector<Variable> worker_variables() {
  const std::string group = "Worker";
  using bootstrap::Settings;
  return {
      {.name = "WORKER_REPO_URL",
       .group = group,
       .type = repository(),
       .unset_means = "required unless AUTO_START_WORKER_PROCESS=false",
       .meaning = "Git repository of the worker, cloned on each pod.",
       .example = "https://github.com/example/worker.git"},
      {.name = "WORKER_REPO_REF",
       .group = group,
       .type = git_ref(),
       .default_value = "main",
       .meaning = "What to check out; the commit is recorded."},
      {.name = "WORKER_DIR",
       .group = group,
       .type = absolute_path(in(&Config::bootstrap, &Settings::worker_dir)),
       .unset_means = "the repository's name below RUNPOD_VOLUME_MOUNT_PATH",
       .meaning = "Where the repository lives on the pod.",
       .example = "/workspace/worker"},
      {.name = "WORKER_SETUP_CMD",
       .group = group,
       .type = text(in(&Config::bootstrap, &Settings::setup_cmd)),
       .unset_means = "nothing to set up",
       .meaning = "Run in WORKER_DIR when the commit or this command has changed.",
       .example = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"},
      {.name = "WORKER_START_CMD",
       .group = group,
       .type = text(in(&Config::bootstrap, &Settings::start_cmd)),
       .unset_means = "required unless AUTO_START_WORKER_PROCESS=false",
       .meaning = "Starts the worker in WORKER_DIR and stays in the foreground.",
       .example = ".venv/bin/python worker.py"},
      {.name = "WORKER_PASS_ENV",
       .group = group,
       .type = name_list(),
       .unset_means = "nothing",
       .meaning = "Variables of the daemon's environment that every worker gets too.",
       .example = "HF_TOKEN, MODEL_NAME"},
      {.name = "WORKER_HEARTBEAT",
       .group = group,
       .type = either(in(&Config::bootstrap, &Settings::agent_heartbeats), "worker", "agent"),
       .default_value = "agent",
       .meaning = "Who sends heartbeats: the agent on the pod, or the worker itself."},
      {.name = "WORKER_MAX_RESTARTS",
       .group = group,
       .type = whole_number(in(&Config::bootstrap, &Settings::max_restarts), 0, 1000),
       .default_value = "0",
       .meaning = "How often a crashed worker process is started again on the same pod."},
      {.name = "AUTO_START_WORKER_PROCESS",
       .group = group,
       .type = yes_no(in(&Config::bootstrap, &Settings::auto_start)),
       .default_value = "true",
       .meaning = "false: the image starts the worker by itself. WORKER_REPO_URL is still cloned and "
                  "WORKER_SETUP_CMD still run where they are set; only WORKER_START_CMD is left out."},
  };
}

}  // namespace gpuwarden::config
