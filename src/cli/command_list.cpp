#include "command_list.hpp"

#include <fmt/format.h>

namespace gpuwarden::cli {

const std::vector<CommandInfo>& command_list() {
  static const std::vector<CommandInfo> kList{
      {"run", "Daemon", "keep the fleet as large as the queue needs, until stopped", "gpuwarden run"},
      {"once", "Daemon", "one cycle, then exit: look, decide, act",
       "gpuwarden once --dry-run\ngpuwarden once --json"},
      {"plan", "Daemon", "what the next cycle would do, and what holds it back", "gpuwarden plan"},
      {"explain", "Look", "why the fleet, or a worker, is as it is, and what is awaited",
       "gpuwarden explain\ngpuwarden explain gpu-default-20261124014840-1a2b3c4d"},
      {"status", "Look", "queue, fleet and breaker at a glance", "gpuwarden status\ngpuwarden status --json"},
      {"workers", "Look", "live workers; ended ones too with --all",
       "gpuwarden workers\ngpuwarden workers --all --limit 200"},
      {"worker", "Look", "the whole life of one worker, with durations",
       "gpuwarden worker gpu-default-20261124014840-1a2b3c4d\ngpuwarden worker 1a2b3c4d"},
      {"tasks", "Look", "tasks, newest first",
       "gpuwarden tasks\ngpuwarden tasks --status failed\ngpuwarden tasks --status in-progress"},
      {"task", "Look", "one task: each attempt, on which worker, how it ended",
       "gpuwarden task 5e2a7c64-1c1e-4f0e-9a43-0f6f5d0c1b2a\ngpuwarden task 5e2a7c64"},
      {"failures", "Look", "why workers failed: one line a fault, or one a failure with --each",
       "gpuwarden failures\ngpuwarden failures --each --since 2h --limit 20"},
      {"report", "Look", "the incident report: why workers fail, since when, what it is not, what to do",
       "gpuwarden report\ngpuwarden report --since 6h --format md > incident.md\ngpuwarden report --json"},
      {"logs", "Look", "what a worker writes: live from its pod, afterwards from what was kept",
       "gpuwarden logs 1a2b3c4d\ngpuwarden logs 1a2b3c4d -f\ngpuwarden logs 1a2b3c4d --source bootstrap "
       "--tail 500"},
      {"events", "Look", "what happened to workers and tasks, oldest first",
       "gpuwarden events\ngpuwarden events -f\ngpuwarden events --worker 1a2b3c4d --since 2h"},
      {"diagnose", "Look", "the cause in an evidence document (needs no service)",
       "gpuwarden diagnose evidence.json\n"
       "gpuwarden failures --json | jq '.failures[0].evidence' | gpuwarden diagnose -"},
      {"replay", "Look", "recorded decisions again, also with other settings (needs no service)",
       "gpuwarden replay /var/log/gpuwarden/journal.jsonl\n"
       "gpuwarden replay journal.jsonl --set MAX_ACTIVE_GPUS=20 --set SCALE_UP_MULTIPLIER=1.5"},
      {"breaker", "Steer", "state of the breaker; hold, release, clear or reset it",
       "gpuwarden breaker\ngpuwarden breaker hold --for 2h --reason \"image is being rebuilt\"\n"
       "gpuwarden breaker reset --reason \"image is mended\""},
      {"pause", "Steer", "nothing is started or removed until resume",
       "gpuwarden pause --reason \"database maintenance\""},
      {"resume", "Steer", "the end of a pause", "gpuwarden resume"},
      {"doctor", "Set up", "check everything that must be in place, and say how to mend it",
       "gpuwarden doctor\ngpuwarden doctor --pod   # would a worker start now?"},
      {"config", "Set up", "what is configured (--explain), and whether it is right (--check)",
       "gpuwarden config --check\ngpuwarden config --explain\ngpuwarden config --example > gpuwarden.env"},
      {"migrate", "Set up", "print the SQL that the database needs",
       "gpuwarden migrate --print | psql \"$DATABASE_URL\"\ngpuwarden migrate --print   # paste into "
       "Supabase's SQL editor"},
      {"version", "Set up", "version of this program", "gpuwarden version"},
  };
  return kList;
}

std::string help_text() {
  std::string text =
      "gpuwarden keeps a fleet of Runpod GPU pods as large as a Supabase task queue needs.\n\n"
      "Usage: gpuwarden COMMAND [OPTIONS]\n";
  std::string group;
  for (const CommandInfo& command : command_list()) {
    if (command.group != group) {
      group = command.group;
      text += fmt::format("\n{}\n", group);
    }
    text += fmt::format("  {:<10}{}\n", command.name, command.summary);
  }
  text +=
      "\nEvery command has --json and --help.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 a service cannot be reached.\n\n"
      "Configuration: the environment and the file that GPUWARDEN_ENV_FILE names; without both, "
      "/etc/gpuwarden/gpuwarden.env.\n"
      "Start with: gpuwarden config --example > gpuwarden.env, then GPUWARDEN_ENV_FILE=gpuwarden.env "
      "gpuwarden doctor\n";
  return text;
}

}  // namespace gpuwarden::cli
