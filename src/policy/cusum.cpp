#include "cusum.hpp"

#include <algorithm>
#include <cmath>

namespace gpuwarden::policy {
namespace {

constexpr double kPriorFailures = 1, kPriorSuccesses = 4;

double success_weight() {
  static const double weight = std::log((1 - kBrokenShare) / (1 - kHealthyShare));
  return weight;
}

}  // namespace

double failure_weight() {
  static const double weight = std::log(kBrokenShare / kHealthyShare);
  return weight;
}

void Cusum::add(double failed) {
  const double weight = failed * failure_weight() + (1 - failed) * success_weight();
  score_ = std::clamp(score_ + weight, 0.0, kAlarmScore);
  alarmed_ = score_ >= (alarmed_ ? kAlarmScore / 2 : kAlarmScore);
}

double posterior_share(double failures, double starts) {
  return (kPriorFailures + failures) / (kPriorFailures + kPriorSuccesses + starts);
}

}  // namespace gpuwarden::policy
