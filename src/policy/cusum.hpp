#pragma once

namespace gpuwarden::policy {

/// Share of failed starts of a fleet that is well, and of one that is broken: the two hypotheses that the
/// detector tells apart.
inline constexpr double kHealthyShare = 0.15;
inline constexpr double kBrokenShare = 0.6;
/// The score that raises the alarm. Reached by five failures in a row; by chance, one start in about 10^4 at
/// 10 % failures and one in 10^3 at 20 %.
inline constexpr double kAlarmScore = 6.9;
/// Failures in a row that reach kAlarmScore from zero.
inline constexpr int kFailuresToAlarm = 5;

/// Bernoulli CUSUM (Page 1954; Reynolds and Stoumbos 1999): the sum of the log-likelihood ratios of broken
/// against healthy, never below zero, so that a healthy past does not dilute what comes now. Nor above the
/// alarm, so that starts that succeed again end it soon.
class Cusum {
 public:
  /// `failed` = 0 for a success, 1 for a failure, between for what is neither.
  void add(double failed);
  double score() const { return score_; }
  /// Raised at kAlarmScore; over after three successes more than failures. Successes are known earlier than
  /// failures that end by a deadline, so one or two of them behind the alarm are no recovery.
  bool alarmed() const { return alarmed_; }

 private:
  double score_{0};
  bool alarmed_{false};
};

/// What one failure adds to the score.
double failure_weight();

/// Mean of the posterior of the failure share with the prior Beta(1, 4), that is one failure in five before
/// anything is known. For display and for ranking, 0..1.
double posterior_share(double failures, double starts);

}  // namespace gpuwarden::policy
