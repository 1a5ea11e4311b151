#include "pod_files.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "kPodFiles.hpp"

namespace gpuwarden::sandbox {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kMarker = "GPUWARDEN_SANDBOX_POD=";

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class Predicate>
std::vector<pid_t> processes_where(Predicate wanted) {
  std::vector<pid_t> found;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ptr == name.data() + name.size() && wanted(entry->path())) found.push_back(pid);
  }
  return found;
}

/// Variables that a session gets beside those of the pod.
std::string session_environment(const PodPaths& paths, const PodBoot& boot, Isolation isolation) {
  if (isolation != Isolation::none) return fmt::format("PATH={} {}{}", kPath, kMarker, boot.id);
  return fmt::format("PATH={0}/bin:{1} HOME={2}/root TMPDIR={2}/tmp GPUWARDEN_RUN_ROOT={2}/dev/shm {3}{4}",
                     paths.files, kPath, paths.root, kMarker, boot.id);
}

std::string pod_conf(const PodPaths& paths, const PodBoot& boot, std::uint16_t ssh_port,
                     Isolation isolation) {
  return fmt::format(
      "POD_SSH_PORT={}\nPOD_SSHD={:d}\nPOD_AUTHORISE={:d}\nPOD_TRUE_HOST_KEYS={:d}\nPOD_SSH_ENV='{}'\n",
      ssh_port, boot.sshd, boot.authorise, boot.true_host_keys, session_environment(paths, boot, isolation));
}

}  // namespace

std::string_view pod_file(std::string_view name) {
  for (const auto& file : kPodFiles)
    if (file.name == name) return file.text;
  return {};
}

PodPaths pod_paths(const std::string& dir, const PodBoot& boot) {
  const auto pod = dir + "/pods/" + boot.id;
  return {pod, pod + "/root", pod + "/files",
          boot.volume_id.empty() ? "" : dir + "/volumes/" + boot.volume_id};
}

Result<void> write_text(const std::string& path, std::string_view text, unsigned mode) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) return fail(ErrorKind::internal, "cannot write " + path);
  fs::permissions(path, static_cast<fs::perms>(mode), error);
  return {};
}

Result<void> write_pod_files(const PodPaths& paths, const PodBoot& boot, std::uint16_t ssh_port,
                             Isolation isolation) {
  std::error_code error;
  fs::create_directories(paths.root, error);
  if (!paths.volume.empty()) fs::create_directories(paths.volume, error);
  if (isolation == Isolation::none)
    for (const auto* name : {"/tmp", "/dev/shm", "/workspace"})
      fs::create_directories(paths.root + name, error);
  fs::create_directories(paths.files + "/bin", error);
  const auto uid = ::geteuid();
  const auto gid = ::getegid();
  const auto smi =
      replaced(replaced(std::string(pod_file("nvidia-smi")), "@GPU_NAME@", "\"" + boot.gpu + "\""),
               "@GPU_MEMORY_MB@", std::to_string(boot.gpu_memory_mb));
  struct File {
    std::string name, text;
    unsigned mode{0644};
  };
  const std::vector<File> files{
      {"pod_root.sh", std::string(pod_file("pod_root.sh")), 0755},
      {"start.sh", std::string(pod_file("start.sh")), 0755},
      {"pod.conf", pod_conf(paths, boot, ssh_port, isolation)},
      {"etc/passwd", fmt::format("root:*:{}:{}:root:/root:/bin/bash\n"
                                 "sshd:*:65533:65534::/run/sshd:/usr/sbin/nologin\n"
                                 "nobody:*:65534:65534::/nonexistent:/usr/sbin/nologin\n",
                                 uid, gid)},
      {"etc/group", fmt::format("root:x:{}:\ntty:x:5:\nnogroup:x:65534:\n", gid)},
      {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
      {"etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
      {"etc/os-release", "NAME=\"Sandbox pod\"\nID=sandbox\n"},
  };
  for (const auto& file : files)
    if (auto written = write_text(paths.files + "/" + file.name, file.text, file.mode); !written)
      return written;
  if (boot.has_gpu) return write_text(paths.files + "/bin/nvidia-smi", smi, 0755);
  return {};
}

SpawnSpec pod_command(const PodPaths& paths, const PodBoot& boot, Isolation isolation) {
  SpawnSpec spec;
  spec.isolation = isolation;
  if (isolation == Isolation::none)
    spec.argv = {"/bin/bash", paths.files + "/start.sh"};
  else
    spec.argv = {"/bin/bash",    paths.files + "/pod_root.sh", paths.root, paths.files, paths.volume,
                 boot.mount_path};
  for (const auto& [name, value] : boot.env) spec.env.push_back(fmt::format("{}={}", name, value));
  spec.env.push_back(std::string(kMarker) + boot.id);
  if (isolation == Isolation::none) {
    spec.env.push_back(fmt::format("PATH={}/bin:{}", paths.files, kPath));
    spec.env.push_back("HOME=" + paths.root + "/root");
    spec.env.push_back("POD_DIR=" + paths.root);
    spec.env.push_back("POD_CONF=" + paths.files + "/pod.conf");
  } else {
    spec.env.push_back(fmt::format("PATH={}", kPath));
    spec.env.emplace_back("HOME=/root");
  }
  return spec;
}

std::vector<pid_t> marked_processes(std::string_view pod_id) {
  const auto mark = fmt::format("{}{}", kMarker, pod_id) + '\0';
  const auto inner = '\0' + mark;
  return processes_where([&](const fs::path& process) {
    const auto environment = read_all(process / "environ");
    return environment.starts_with(mark) || environment.find(inner) != std::string::npos;
  });
}

std::vector<pid_t> namespace_processes(pid_t first) {
  std::error_code error;
  const auto wanted = fs::read_symlink(fmt::format("/proc/{}/ns/pid", first), error);
  if (error) return {};
  return processes_where([&](const fs::path& process) {
    std::error_code gone;
    return fs::read_symlink(process / "ns/pid", gone) == wanted;
  });
}

std::string command_line(pid_t pid) {
  auto text = read_all(fmt::format("/proc/{}/cmdline", pid));
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

}  // namespace gpuwarden::sandbox
