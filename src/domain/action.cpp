#include "gpuwarden/domain/action.hpp"

namespace gpuwarden {
namespace {

struct Name {
  std::string_view operator()(const SpawnWorker&) const { return "spawn"; }
  std::string_view operator()(const AdoptPod&) const { return "adopt"; }
  std::string_view operator()(const AbandonIntent&) const { return "abandon"; }
  std::string_view operator()(const BringUpWorker&) const { return "bring_up"; }
  std::string_view operator()(const ActivateWorker&) const { return "activate"; }
  std::string_view operator()(const FailWorker&) const { return "fail"; }
  std::string_view operator()(const DrainWorker&) const { return "drain"; }
  std::string_view operator()(const DeletePod&) const { return "delete"; }
  std::string_view operator()(const ConfirmGone&) const { return "confirm_gone"; }
  std::string_view operator()(const DeleteOrphan&) const { return "delete_orphan"; }
  std::string_view operator()(const RescueTasks&) const { return "rescue"; }
  std::string_view operator()(const SaveBreaker&) const { return "save_breaker"; }
  std::string_view operator()(const ProbeWorker&) const { return "probe"; }
  std::string_view operator()(const NotePhase&) const { return "phase"; }
};

}  // namespace

std::string_view action_name(const Action& action) {
  return std::visit(Name{}, action);
}

WorkerId worker_of(const Action& action) {
  return std::visit(
      [](const auto& a) {
        if constexpr (requires { a.worker; }) return a.worker;
        return WorkerId{};
      },
      action);
}

}  // namespace gpuwarden
