#include "gpuwarden/http/request_budget.hpp"

#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace gpuwarden::http {
namespace {

using namespace std::chrono_literals;

const MonoTime kStart{1'000s};
constexpr const char* kPolicy = R"("minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400)";

int spend_all(RequestBudget& budget, Priority priority, MonoTime now) {
  int spent = 0;
  while (spent < 100'000 && budget.try_spend(priority, now) == 0ms) ++spent;
  return spent;
}

std::string minute(long remaining, long resets) {
  return "\"minute\";r=" + std::to_string(remaining) + ";t=" + std::to_string(resets);
}

TEST(RequestBudget, AssumesSixtyAMinuteBeforeTheFirstHeader) {
  RequestBudget budget;
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart), 60);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart), 60s);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 60s - 1ms), 1ms);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 60s), 0ms);
}

TEST(RequestBudget, StopsEachPriorityAtItsShare) {
  const struct {
    Priority priority;
    int most;
  } cases[] = {{Priority::read, 42}, {Priority::list, 54}, {Priority::create, 57}, {Priority::remove, 60}};
  RequestBudget shared;
  int spent = 0;
  for (const auto& each : cases) {
    RequestBudget alone;
    EXPECT_EQ(spend_all(alone, each.priority, kStart), each.most);
    spent += spend_all(shared, each.priority, kStart);
    EXPECT_EQ(spent, each.most);
  }
}

TEST(RequestBudget, NeverSendsMoreThanSixtyInAnyMinuteWithoutHeaders) {
  RequestBudget budget;
  std::mt19937 random(7);
  std::deque<MonoTime> sent;
  MonoTime now = kStart;
  for (int i = 0; i < 20'000; ++i) {
    now += Duration(static_cast<Duration::rep>(random() % 900));
    if (budget.try_spend(static_cast<Priority>(random() % 4), now) == 0ms) sent.push_back(now);
    while (!sent.empty() && sent.front() <= now - 60s) sent.pop_front();
    ASSERT_LE(sent.size(), 60U);
  }
}

TEST(RequestBudget, WaitsAsLongAsItSaysAndNotLonger) {
  RequestBudget budget;
  for (int i = 0; i < 60; ++i) ASSERT_EQ(budget.try_spend(Priority::remove, kStart + i * 100ms), 0ms);
  const Duration wait = budget.try_spend(Priority::read, kStart + 10s);
  EXPECT_EQ(wait, 60s + 18 * 100ms - 10s);  // until 19 are free, the spend of 1.8 s being the 19th
  EXPECT_EQ(budget.try_spend(Priority::read, kStart + 10s + wait - 1ms), 1ms);
  EXPECT_EQ(budget.try_spend(Priority::read, kStart + 10s + wait), 0ms);
}

TEST(RequestBudget, LearnsFromTheHeaders) {
  RequestBudget budget;
  budget.learn(R"("minute";r=0;t=12, "hour";r=2800;t=1812)", kPolicy, kStart);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart), 13s);  // whole seconds: one more to be sure
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 13s - 1ms), 1ms);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 13s), 0ms);
  const auto windows = budget.windows(kStart + 5s);
  ASSERT_EQ(windows.size(), 2U);
  EXPECT_EQ(windows[0].name, "minute");
  EXPECT_EQ(windows[0].limit, 60);
  EXPECT_EQ(windows[0].remaining, 0);
  EXPECT_EQ(windows[0].length, 60s);
  EXPECT_EQ(windows[0].resets_at, kStart + 12s);
  EXPECT_EQ(windows[1].name, "hour");
  EXPECT_EQ(windows[1].limit, 3000);
  EXPECT_EQ(windows[1].length, 3600s);
}

TEST(RequestBudget, TheTightestWindowDecides) {
  RequestBudget budget;
  budget.learn(R"("minute";r=60;t=60, "hour";r=0;t=1812)", kPolicy, kStart);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart), 1813s);
}

TEST(RequestBudget, TakesALargerQuotaThanAssumed) {
  RequestBudget budget;
  budget.learn(minute(176, 60), R"("minute";q=180;w=60)", kStart);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart), 176);
}

TEST(RequestBudget, RequestsUnderWayAreNotForgottenByAnOlderAnswer) {
  RequestBudget budget;
  for (int i = 0; i < 10; ++i) budget.try_spend(Priority::remove, kStart);
  budget.learn(minute(59, 60), kPolicy, kStart + 100ms);  // the server has counted one of the ten
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 200ms), 50);
  budget.learn(minute(58, 60), kPolicy, kStart + 300ms);
  EXPECT_GT(budget.try_spend(Priority::remove, kStart + 300ms), 0ms);
}

TEST(RequestBudget, AWindowIsFullAgainAfterItsReset) {
  RequestBudget budget;
  budget.learn(minute(5, 20), kPolicy, kStart);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart), 5);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 21s), 60);
  // No header since: the next window may have begun with any of these requests.
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 81s - 1ms), 0);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 81s), 60);
}

TEST(RequestBudget, ALateAnswerOfTheWindowBeforeResetsNothing) {
  RequestBudget budget;
  budget.learn(minute(5, 20), kPolicy, kStart);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 21s), 60);
  budget.learn(minute(40, 1), kPolicy, kStart + 22s);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 40s), 0);
}

TEST(RequestBudget, ALongWindowIsFullAgainAfterItsReset) {
  RequestBudget budget;
  budget.learn(R"("hour";r=1;t=100)", R"("hour";q=3000;w=3600)", kStart);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart), 1);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart), 101s);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart + 101s), 3000);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 101s), 3601s);
}

TEST(RequestBudget, AfterARefusalNothingIsSentBeforeTheGivenTime) {
  RequestBudget budget;
  budget.blocked(7s, kStart);
  budget.blocked(3s, kStart);  // the longer of the two holds
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 7s - 1ms), 1ms);
  EXPECT_EQ(budget.try_spend(Priority::remove, kStart + 7s), 0ms);
}

TEST(RequestBudget, IgnoresNonsense) {
  for (const char* header :
       {"", "garbage", ";;;,,,===", "\"minute\"", "\"minute\";r=-4;t=2", "\"minute\";r=99999999999999999999",
        "\"minute\";r=many;t=soon", "\"minute;r=0;t=5", "r=0", ",", "\"\";r=0;t=60"}) {
    RequestBudget budget;
    budget.learn(header, header, kStart);
    EXPECT_EQ(spend_all(budget, Priority::remove, kStart), 60) << header;
  }
  RequestBudget budget;
  budget.learn(R"("minute";r=3;t=99999999999999;junk=1;x, "minute;odd",)", R"("minute";q=0;w=-1)", kStart);
  EXPECT_EQ(spend_all(budget, Priority::remove, kStart), 3);
}

/// A server that counts in fixed windows, however they lie, or in windows that begin with a request.
class Quota {
 public:
  Quota(bool fixed, Duration phase) : fixed_(fixed), phase_(phase) {}
  bool request(MonoTime now) {
    if (fixed_) {
      const MonoTime began = now - (now.time_since_epoch() + phase_) % Duration(60s);
      if (began != began_) used_ = 0;
      began_ = began;
    } else if (used_ == 0 || now >= began_ + 60s) {
      used_ = 0;
      began_ = now;
    }
    return ++used_ <= 60;
  }
  std::string header(MonoTime now) const {
    return minute(std::max(0L, 60 - used_),
                  std::chrono::ceil<std::chrono::seconds>(began_ + 60s - now).count());
  }

 private:
  bool fixed_;
  Duration phase_;
  MonoTime began_{};
  long used_{0};
};

TEST(RequestBudget, NeverExceedsAServersQuotaHoweverItsWindowsLieAndAnswersAreDelayedOrLost) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    Quota server(seed % 2 == 0, Duration(static_cast<Duration::rep>(random() % 60'000)));
    RequestBudget budget;
    std::deque<std::pair<MonoTime, std::string>> answers;
    MonoTime now = kStart;
    int sent = 0;
    while (now < kStart + 1800s) {
      now += Duration(static_cast<Duration::rep>(random() % 50 == 0 ? random() % 40'000 : random() % 400));
      while (!answers.empty() && answers.front().first <= now) {
        budget.learn(answers.front().second, kPolicy, answers.front().first);
        answers.pop_front();
      }
      if (budget.try_spend(Priority::remove, now) > 0ms) continue;
      const MonoTime arrives = now + 1ms;
      ASSERT_TRUE(server.request(arrives)) << "seed " << seed << ", request " << sent;
      ++sent;
      if (random() % 4 != 0) {
        const MonoTime back =
            arrives + Duration(static_cast<Duration::rep>(random() % (random() % 10 == 0 ? 9'000 : 900)));
        answers.emplace_back(answers.empty() ? back : std::max(back, answers.back().first),
                             server.header(arrives));
      }
    }
    EXPECT_GT(sent, 600) << "seed " << seed;  // of 1800 at the most: the budget is no brake either
  }
}

}  // namespace
}  // namespace gpuwarden::http
