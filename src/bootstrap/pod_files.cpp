#include "pod_files.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kScripts.hpp"
#include "quote.hpp"

namespace gpuwarden::bootstrap {
namespace {

/// "20" or "0.5": what sleep and read take.
std::string in_seconds(Duration duration) {
  const auto ms = duration.count();
  constexpr int kPerSecond = 1000;
  if (ms % kPerSecond == 0) return fmt::format("{}", ms / kPerSecond);
  return fmt::format("{}.{:03}", ms / kPerSecond, ms % kPerSecond);
}

std::string without_trailing_slash(std::string text) {
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

class Assignments {
 public:
  void set(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}={}\n", name, shell_quoted(value));
  }
  void flag(std::string_view name, bool value) { set(name, value ? "1" : "0"); }
  void exported(std::string_view name, std::string_view value) {
    text_ += fmt::format("export {}={}\n", name, shell_quoted(value));
  }
  void line(std::string_view text) { text_.append(text).push_back('\n'); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::string_view script_text(std::string_view name) {
  for (const EmbeddedFile& file : kScripts) {
    if (file.name == name) return file.text;
  }
  return {};
}

std::string worker_dir_of(const Settings& settings) {
  if (!settings.worker_dir.empty()) return without_trailing_slash(settings.worker_dir);
  std::string name = without_trailing_slash(split_credentials(settings.repo_url).url);
  if (const std::size_t slash = name.find_last_of("/:"); slash != std::string::npos) name.erase(0, slash + 1);
  if (name.ends_with(".git")) name.resize(name.size() - 4);
  if (name.empty() || name == "." || name == "..") name = "worker";
  const std::string mount =
      without_trailing_slash(settings.mount_path.empty() ? "/workspace" : settings.mount_path);
  return (mount == "/" ? "" : mount) + "/" + name;
}

std::string env_file(const WorkerId& worker, const Settings& settings, const WorkerSecrets& secrets) {
  const SplitUrl repository = split_credentials(settings.repo_url);
  Assignments out;
  out.set("gw_worker", worker.str());
  out.set("gw_repo_url", repository.url);
  out.set("gw_repo_user", repository.user);
  out.set("gw_repo_password", repository.password);
  out.set("gw_repo_ref", settings.repo_ref.empty() ? "HEAD" : settings.repo_ref);
  out.set("gw_worker_dir", worker_dir_of(settings));
  out.set("gw_mount_path", without_trailing_slash(settings.mount_path));
  out.flag("gw_has_volume", settings.has_volume);
  out.set("gw_setup_cmd", settings.setup_cmd);
  out.set("gw_start_cmd", settings.start_cmd);
  out.flag("gw_agent_heartbeats", settings.agent_heartbeats);
  out.set("gw_max_restarts", std::to_string(settings.max_restarts));
  out.flag("gw_auto_start", settings.auto_start);
  out.flag("gw_ship_logs", settings.ship_logs);
  out.flag("gw_preflight_only", settings.preflight_only);
  out.set("gw_heartbeat_interval", in_seconds(settings.heartbeat_interval));
  out.set("gw_pod_lease", in_seconds(settings.pod_lease));
  out.set("gw_min_memory_gb", settings.min_memory_gb ? std::to_string(*settings.min_memory_gb) : "");
  out.set("gw_min_cuda", settings.min_cuda);
  out.set("gw_min_disk_mb", std::to_string(settings.min_disk_free_mb));
  out.set("gw_supabase_url", settings.supabase_url);
  out.set("gw_key", secrets.publishable_key.reveal());
  out.set("gw_where", "/");
  out.set("gw_mark", "");
  out.set("gw_commit", "");
  std::string names;
  for (const auto& [name, value] : settings.pass_env) {
    if (!is_exportable(name)) continue;
    out.exported(name, value);
    names += (names.empty() ? "" : " ") + name;
  }
  out.line(fmt::format("gw_pass_names=({})", names));
  // Behind the operator's own variables: these say who the worker is.
  out.exported("WORKER_ID", worker.str());
  out.exported("SUPABASE_URL", settings.supabase_url);
  out.exported("SUPABASE_PUBLISHABLE_KEY", secrets.publishable_key.reveal());
  out.exported("SUPABASE_ANON_KEY", secrets.publishable_key.reveal());
  out.exported("RUN_TYPE", "gpu");
  return out.take();
}

std::string report_config(const Settings& settings, const Secret& publishable_key) {
  const std::string url =
      without_trailing_slash(settings.supabase_url) + "/rest/v1/rpc/gpuwarden_worker_report";
  const std::string key(publishable_key.reveal());
  std::string text = fmt::format("url = {}\nheader = {}\nheader = \"content-type: application/json\"\n",
                                 curl_quoted(url), curl_quoted("apikey: " + key));
  // A key of the new kind is no JWT and would be refused as one; an old one is expected to be both.
  if (!key.starts_with("sb_"))
    text += fmt::format("header = {}\n", curl_quoted("Authorization: Bearer " + key));
  text +=
      "user-agent = \"gpuwarden-agent/1\"\nsilent\nshow-error\nconnect-timeout = 5\nmax-time = 15\n"
      "write-out = \"\\n%{http_code}\"\n";
  return text;
}

}  // namespace gpuwarden::bootstrap
