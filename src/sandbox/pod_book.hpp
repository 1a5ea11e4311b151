#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpuwarden/base/result.hpp"
#include "gpuwarden/base/time.hpp"

#include "paging.hpp"
#include "pod_log.hpp"

namespace gpuwarden::sandbox {

enum class PodState { provisioning, starting, running, exited, error };
std::string_view to_string(PodState state);

/// One pod as the stand-in keeps it.
struct PodRecord {
  std::uint64_t serial{0};  ///< order of creation
  std::string id, name, image, args, cloud, data_center, gpu;
  int gpu_count{1};
  int disk_gb{0};
  std::optional<std::string> registry;
  std::vector<std::string> ports;
  std::map<std::string, std::string> env;
  std::string mounts_json{"{}"};  ///< as requested
  std::string volume_id, mount_path;
  double cost_per_hr{0};
  std::string api_key;  ///< what the pod itself may use, for itself only
  PodState state{PodState::provisioning};
  MonoTime created{}, changed{};
  WallTime created_at{};
  std::optional<WallTime> started_at;
  std::optional<MonoTime> running_since;
  std::uint16_t ssh_port{0};  ///< 0 = not mapped
  std::string ssh_user{"root"};
  std::optional<MonoTime> deleted;
  PodLog log;
};
using PodPtr = std::shared_ptr<PodRecord>;

/// JSON of one pod as GET answers it.
std::string pod_json(const PodRecord& pod, MonoTime now);

struct Now {
  MonoTime mono{};
  WallTime wall{};
};

/// Every pod there is or was. No I/O; time is an argument.
class PodBook {
 public:
  /// Takes a request that check_create accepted.
  PodPtr create(const std::string& body, std::string data_center, Now now);
  /// Null when there is none or when it was deleted.
  PodPtr find(const std::string& id) const;
  /// False when there is none.
  bool remove(const std::string& id, MonoTime now);

  /// JSON of the list as it was `lag` ago: younger pods are missing, pods deleted since then are still in it.
  /// A page holds at most `cap` entries (0 = as many as asked for).
  std::string list(const PageQuery& query, MonoTime now, Duration lag, std::size_t cap) const;

  std::vector<PodPtr> living() const;
  long creates() const { return creates_; }
  long deletes() const { return deletes_; }
  /// Creates whose name an earlier create had.
  long duplicate_names() const { return duplicates_; }

 private:
  std::deque<PodPtr> pods_;  // oldest first; includes deleted ones
  std::map<std::string, PodPtr> by_id_;
  std::map<std::string, int> names_;
  std::uint64_t next_serial_{1};
  long creates_{0}, deletes_{0}, duplicates_{0};
};

/// `length` characters of a-z0-9 that nobody can guess.
std::string random_word(std::size_t length);

}  // namespace gpuwarden::sandbox
