#include "simulation/courier.hpp"

#include <algorithm>

#include "simulation/script_run.hpp"

namespace gpuwarden::simulation {
namespace {

constexpr Duration kFirstPause{250};
constexpr Duration kHardly{30};

}  // namespace

Duration next_pause(Duration& pause, std::uint64_t random) {
  constexpr Duration kLongest = std::chrono::seconds(30);
  pause = std::min(pause * 2, kLongest);
  return pause +
         Duration(static_cast<Duration::rep>(random % static_cast<std::uint64_t>(pause.count() / 4 + 1)));
}

void Courier::spool(nlohmann::json report) {
  spool_.push_back(std::move(report));
  if (under_way_) return;
  under_way_ = true;
  run_.container().after(kHardly, [this] { deliver(); });
}

void Courier::deliver() {
  while (!spool_.empty()) {
    if (!run_.alive()) return;
    const Reply reply = run_.report(spool_.front());
    if (reply.ok()) {
      spool_.pop_front();
      pause_ = kFirstPause;
      run_.agent().heard(reply.answer);
      continue;
    }
    // Steps that are refused stay refused; a crash must arrive.
    if (!reply.refusal.empty() && spool_.front().at("kind") == "step") spool_.pop_front();
    run_.container().after(next_pause(pause_, run_.container().random().next()), [this] { deliver(); });
    return;
  }
  under_way_ = false;
}

}  // namespace gpuwarden::simulation
