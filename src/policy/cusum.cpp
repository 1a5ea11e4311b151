#include "cusum.hpp"

#include <algorithm>

namespace gpuwarden::policy {
namespace {

constexpr double kPriorFailures = 1, kPriorSuccesses = 4;
/// Three successes more than failures end an alarm.
constexpr double kStillShare = 0.7;

/// ln(kBrokenShare / kHealthyShare) and ln((1 - kBrokenShare) / (1 - kHealthyShare))
constexpr double kFailureWeight = 1.3862943611198906;
constexpr double kSuccessWeight = -0.7537718023763802;

}  // namespace

double failure_weight() {
  return kFailureWeight;
}

void Cusum::add(double failed) {
  const double weight = failed * kFailureWeight + (1 - failed) * kSuccessWeight;
  score_ = std::clamp(score_ + weight, 0.0, kAlarmScore);
  alarmed_ = score_ >= (alarmed_ ? kAlarmScore * kStillShare : kAlarmScore);
}

double posterior_share(double failures, double starts) {
  return (kPriorFailures + failures) / (kPriorFailures + kPriorSuccesses + starts);
}

}  // namespace gpuwarden::policy
