#include "gpuwarden/bootstrap/bring_up.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpuwarden/bootstrap/script.hpp"

namespace gpuwarden::bootstrap {
namespace {

using testing::HasSubstr;

const MonoTime kStart{Duration(1000s)};

Status status(BootStep step, StatusLine::Event event, std::string check = "") {
  Status what;
  what.line.step = step;
  what.line.event = event;
  what.line.check = std::move(check);
  if (event == StatusLine::Event::fail) {
    what.line.exit_code = 2;
    what.line.tail = {"error: unrecognized arguments: --x"};
  }
  return what;
}

struct BringUpTest : testing::Test {
  Settings settings = [] {
    Settings s;
    s.connect_timeout = 300s;
    s.bootstrap_timeout = 1800s;
    return s;
  }();
  BringUp machine{settings, kStart};
  MonoTime now{kStart};

  BringUpStep on(const BringUpEvent& event) { return machine.next(event, now); }
  template <class Step>
  Step expect(const BringUpEvent& event) {
    const BringUpStep step = on(event);
    EXPECT_TRUE(std::holds_alternative<Step>(step)) << "step number " << step.index();
    return std::holds_alternative<Step>(step) ? std::get<Step>(step) : Step{};
  }
  /// Up to the first follow on a pod where nothing ran, and the launch.
  void launched() {
    expect<ReadHostKeys>(Started{});
    expect<ConnectShell>(HostKeysRead{{"SHA256:x"}});
    EXPECT_EQ(expect<FollowScript>(Connected{}).offset, 0u);
    expect<LaunchScript>(ShellEnded{kNotStarted, ""});
  }
  FailureCause cause_of(const BringUpEvent& event) { return expect<BringUpFailed>(event).suspected; }
};

TEST_F(BringUpTest, GoesFromHostKeysOverLaunchToAWorkerThatIsUp) {
  launched();
  EXPECT_EQ(machine.phase(), Phase::connecting);
  on(status(BootStep::preflight, StatusLine::Event::begin));
  EXPECT_EQ(machine.phase(), Phase::bootstrapping);
  EXPECT_EQ(machine.step(), BootStep::preflight);
  for (const BootStep step : {BootStep::preflight, BootStep::fetch, BootStep::setup}) {
    on(status(step, StatusLine::Event::begin));
    on(status(step, StatusLine::Event::end));
  }
  on(status(BootStep::start, StatusLine::Event::begin));
  EXPECT_EQ(machine.step(), BootStep::start);
  on(status(BootStep::start, StatusLine::Event::end));
  expect<BroughtUp>(ShellEnded{0, ""});
  EXPECT_EQ(machine.phase(), Phase::awaiting_heartbeat);
}

TEST_F(BringUpTest, AStatusLineLeavesTheStepThatIsPerformed) {
  launched();
  EXPECT_TRUE(std::holds_alternative<LaunchScript>(on(status(BootStep::fetch, StatusLine::Event::begin))));
}

TEST_F(BringUpTest, DoesNotLaunchWhereTheScriptHasRunBefore) {
  expect<ReadHostKeys>(Started{});
  expect<ConnectShell>(HostKeysRead{{"SHA256:x"}});
  expect<FollowScript>(Connected{});
  on(status(BootStep::start, StatusLine::Event::end));
  expect<BroughtUp>(ShellEnded{0, ""});
}

TEST_F(BringUpTest, ADroppedStreamGoesOnWhereItStopped) {
  launched();
  on(status(BootStep::fetch, StatusLine::Event::begin));
  EXPECT_EQ(expect<Wait>(ShellDropped{321, "reset"}).duration, 1s);
  expect<ConnectShell>(Waited{});
  EXPECT_EQ(expect<FollowScript>(Connected{}).offset, 321u);
  expect<Wait>(ShellDropped{321, "reset"});
  expect<ConnectShell>(Waited{});
  EXPECT_EQ(expect<FollowScript>(Connected{}).offset, 321u);
}

TEST_F(BringUpTest, AFollowerThatEndsItselfIsFollowedByAnotherOnTheSameConnection) {
  launched();
  EXPECT_EQ(expect<FollowScript>(ShellEnded{kStillRunning, "", 77}).offset, 77u);
  EXPECT_EQ(expect<FollowScript>(ShellEnded{kStillRunning, "", 99}).offset, 99u);
}

TEST_F(BringUpTest, APauseBetweenDropsGrowsUntilAStatusLineComesThrough) {
  launched();
  std::vector<Duration> pauses;
  for (int i = 0; i < 6; ++i) {
    pauses.push_back(expect<Wait>(ShellDropped{0, "reset"}).duration);
    expect<ConnectShell>(Waited{});
    expect<FollowScript>(Connected{});
  }
  EXPECT_THAT(pauses, testing::ElementsAre(1s, 2s, 4s, 8s, 8s, 8s));
  on(status(BootStep::fetch, StatusLine::Event::begin));
  EXPECT_EQ(expect<Wait>(ShellDropped{9, "reset"}).duration, 1s);
}

TEST_F(BringUpTest, ALaunchThatWasCutOffBeforeItBeganIsRepeated) {
  launched();
  expect<Wait>(ShellDropped{0, "reset"});
  expect<ConnectShell>(Waited{});
  expect<FollowScript>(Connected{});
  expect<LaunchScript>(ShellEnded{kNotStarted, ""});
}

TEST_F(BringUpTest, LaunchesThatEndByThemselvesAreGivenUpAfterTheThird) {
  launched();
  for (int i = 0; i < 2; ++i) {
    expect<Wait>(ShellEnded{127, ""});
    expect<ConnectShell>(Waited{});
    expect<FollowScript>(Connected{});
    expect<LaunchScript>(ShellEnded{kNotStarted, ""});
  }
  const auto failed = expect<BringUpFailed>(ShellEnded{127, ""});
  EXPECT_EQ(failed.suspected, FailureCause::start_failed);
  EXPECT_EQ(failed.evidence.exit_code, 127);
}

TEST_F(BringUpTest, UnreachableIsRetriedWithGrowingPausesUntilTheConnectDeadline) {
  expect<ReadHostKeys>(Started{});
  expect<ConnectShell>(HostKeysRead{{"SHA256:x"}});
  const ConnectFailed refused{ConnectFailed::Why::unreachable, "connection refused"};
  EXPECT_EQ(expect<Wait>(refused).duration, 1s);
  EXPECT_EQ(expect<Wait>(refused).duration, 2s);
  now = kStart + settings.connect_timeout - 1ms;
  EXPECT_EQ(expect<Wait>(refused).duration, 4s);
  now = kStart + settings.connect_timeout;
  const auto failed = expect<BringUpFailed>(refused);
  EXPECT_EQ(failed.suspected, FailureCause::ssh_unreachable);
  EXPECT_EQ(failed.evidence.phase, "connecting");
  EXPECT_THAT(failed.evidence.api->detail, HasSubstr("connection refused"));
  EXPECT_EQ(failed.evidence.api->service, "ssh");
}

TEST_F(BringUpTest, UnreachableAfterTheDeadlineFails) {
  expect<ReadHostKeys>(Started{});
  expect<ConnectShell>(HostKeysRead{{"SHA256:x"}});
  now = kStart + settings.connect_timeout + 1ms;
  EXPECT_EQ(cause_of(ConnectFailed{ConnectFailed::Why::unreachable, ""}), FailureCause::ssh_unreachable);
}

TEST_F(BringUpTest, TheConnectDeadlineCountsFromTheLastContact) {
  launched();
  now += 1000s;
  expect<FollowScript>(ShellEnded{kStillRunning, "", 5});
  expect<Wait>(ShellDropped{5, "reset"});
  expect<ConnectShell>(Waited{});
  now += settings.connect_timeout - 1ms;
  const ConnectFailed lost{ConnectFailed::Why::unreachable, "no answer"};
  expect<Wait>(lost);
  now += 1ms;
  EXPECT_EQ(cause_of(lost), FailureCause::ssh_unreachable);
}

TEST_F(BringUpTest, ARefusedKeyIsRetriedFor30Seconds) {
  expect<ReadHostKeys>(Started{});
  expect<ConnectShell>(HostKeysRead{{"SHA256:x"}});
  const ConnectFailed refused{ConnectFailed::Why::refused_key, "Permission denied (publickey)"};
  expect<Wait>(refused);
  now += 30s - 1ms;
  expect<Wait>(refused);
  now += 1ms;
  EXPECT_EQ(cause_of(refused), FailureCause::ssh_auth_failed);
}

TEST_F(BringUpTest, AHostKeyMismatchIsBelievedWhenTheLogWasReadAgain) {
  expect<ReadHostKeys>(Started{});
  expect<ConnectShell>(HostKeysRead{{"SHA256:old"}});
  const ConnectFailed mismatch{ConnectFailed::Why::host_key_mismatch, "host key differs"};
  expect<ReadHostKeys>(mismatch);
  expect<ConnectShell>(HostKeysRead{{"SHA256:old"}});
  EXPECT_EQ(cause_of(mismatch), FailureCause::ssh_host_key_mismatch);
}

TEST_F(BringUpTest, HostKeysThatAreNotInTheLogYetAreLookedForThreeTimes) {
  expect<ReadHostKeys>(Started{});
  const ConnectFailed refused{ConnectFailed::Why::unreachable, ""};
  for (int i = 0; i < 2; ++i) {
    expect<ConnectShell>(HostKeysRead{});
    expect<Wait>(refused);
    expect<ReadHostKeys>(Waited{});
  }
  expect<ConnectShell>(HostKeysRead{});
  expect<Wait>(refused);
  expect<ConnectShell>(Waited{});
}

TEST_F(BringUpTest, EndsAtTheBootstrapDeadlineWhateverHappens) {
  launched();
  on(status(BootStep::setup, StatusLine::Event::begin));
  now = kStart + settings.bootstrap_timeout - 1ms;
  EXPECT_EQ(expect<FollowScript>(ShellEnded{kStillRunning, "", 5}).timeout, 1ms);
  now = kStart + settings.bootstrap_timeout;
  const auto failed = expect<BringUpFailed>(ShellDropped{5, "deadline"});
  EXPECT_EQ(failed.suspected, FailureCause::bootstrap_timeout);
  EXPECT_EQ(failed.evidence.phase, "bootstrapping:setup");
  EXPECT_EQ(failed.evidence.tails.at("bootstrap").size(), 1u);
  EXPECT_FALSE(failed.evidence.exit_code);
}

TEST_F(BringUpTest, AWorkerThatRunsButNeverReportsIsAHeartbeatThatNeverCame) {
  launched();
  on(status(BootStep::start, StatusLine::Event::begin));
  now = kStart + settings.bootstrap_timeout + 1ms;
  EXPECT_EQ(cause_of(ShellEnded{kStillRunning, "", 5}), FailureCause::first_heartbeat_timeout);
}

TEST_F(BringUpTest, ASuccessThatArrivesAtTheDeadlineIsASuccess) {
  launched();
  on(status(BootStep::start, StatusLine::Event::end));
  now = kStart + settings.bootstrap_timeout + 1s;
  expect<BroughtUp>(ShellDropped{5, "reset"});
}

TEST_F(BringUpTest, TimeoutsNeverReachBeyondTheDeadline) {
  now = kStart + settings.bootstrap_timeout - 500ms;
  EXPECT_EQ(expect<ReadHostKeys>(Started{}).timeout, 500ms);
  EXPECT_EQ(expect<ConnectShell>(HostKeysRead{}).timeout, 500ms);
  EXPECT_EQ(expect<FollowScript>(Connected{}).timeout, 500ms);
  EXPECT_EQ(expect<LaunchScript>(ShellEnded{kNotStarted, ""}).timeout, 500ms);
}

TEST_F(BringUpTest, Case13AFailLineIsTheEndAndItsTailTheEvidence) {
  launched();
  on(status(BootStep::start, StatusLine::Event::begin));
  on(status(BootStep::start, StatusLine::Event::fail));
  const auto failed = expect<BringUpFailed>(ShellEnded{0, ""});
  EXPECT_EQ(failed.suspected, FailureCause::start_failed);
  EXPECT_EQ(failed.evidence.phase, "bootstrapping:start");
  EXPECT_EQ(failed.evidence.step, "start");
  EXPECT_EQ(failed.evidence.exit_code, 2);
  EXPECT_THAT(failed.evidence.tails.at("worker"), testing::ElementsAre("error: unrecognized arguments: --x"));
  EXPECT_FALSE(failed.evidence.api);
}

TEST_F(BringUpTest, AFailLineCountsEvenWhenTheConnectionBreaksBehindIt) {
  launched();
  on(status(BootStep::fetch, StatusLine::Event::fail));
  EXPECT_EQ(cause_of(ShellDropped{50, "reset"}), FailureCause::fetch_failed);
}

/// SSH breaks off after the launch and is refused from then on; the next look is due.
struct BringUpWithoutSsh : BringUpTest {
  const ConnectFailed refused{ConnectFailed::Why::unreachable, "connection refused"};

  void cut_off() {
    launched();
    on(status(BootStep::preflight, StatusLine::Event::begin));
    expect<Wait>(ShellDropped{5, "reset"});
    now += 1s;
    expect<ConnectShell>(Waited{});
    expect<Wait>(refused);
    now += 1s;
    expect<ReadStatusLog>(Waited{});
  }
};

TEST_F(BringUpWithoutSsh, Case04TheContainersLogTellsOfTheStepThatFailed) {
  cut_off();
  StatusLogRead log;
  log.lines = {status(BootStep::preflight, StatusLine::Event::begin).line,
               status(BootStep::fetch, StatusLine::Event::begin).line,
               status(BootStep::fetch, StatusLine::Event::fail).line};
  const auto failed = expect<BringUpFailed>(log);
  EXPECT_EQ(failed.suspected, FailureCause::fetch_failed);
  EXPECT_EQ(failed.evidence.channel, "container_log");
  EXPECT_EQ(failed.evidence.exit_code, 2);
  EXPECT_FALSE(failed.evidence.api) << "the connection's troubles are not the script's";
  EXPECT_EQ(failed.evidence.tails.at("bootstrap").size(), 3u) << "what SSH had told already counts once";
}

TEST_F(BringUpWithoutSsh, TheContainersLogTellsThatTheWorkerIsUp) {
  cut_off();
  expect<BroughtUp>(StatusLogRead{{status(BootStep::start, StatusLine::Event::end).line}});
}

TEST_F(BringUpWithoutSsh, TheLogIsReadEvery20SecondsAtMost) {
  cut_off();
  const MonoTime first = now;
  int looks = 0;
  BringUpStep step = on(StatusLogRead{});
  while (now < first + 200s) {
    ASSERT_TRUE(std::holds_alternative<ConnectShell>(step));
    step = on(refused);
    ASSERT_TRUE(std::holds_alternative<Wait>(step));
    now += std::get<Wait>(step).duration;
    step = on(Waited{});
    if (!std::holds_alternative<ReadStatusLog>(step)) continue;
    ++looks;
    step = on(StatusLogRead{});
  }
  EXPECT_GE(looks, 7);
  EXPECT_LE(looks, 10);
}

TEST_F(BringUpWithoutSsh, AScriptThatGoesOnInTheLogIsNotGivenUpForItsConnection) {
  cut_off();
  now += settings.connect_timeout - 2s;
  expect<ConnectShell>(StatusLogRead{{status(BootStep::setup, StatusLine::Event::begin).line}});
  now += settings.connect_timeout - 1s;
  expect<Wait>(refused);
  now += 1s;
  const auto failed = expect<BringUpFailed>(refused);
  EXPECT_EQ(failed.suspected, FailureCause::ssh_unreachable);
  EXPECT_EQ(failed.evidence.channel, "ssh");
}

TEST_F(BringUpWithoutSsh, NoLogIsReadOnceSshAnswersAgain) {
  cut_off();
  expect<ConnectShell>(StatusLogRead{});
  expect<FollowScript>(Connected{});
  now += 60s;
  expect<Wait>(ShellDropped{5, "reset"});
  expect<ConnectShell>(Waited{});
}

TEST_F(BringUpTest, ThatNeverGotInLooksIntoTheLogForADaemonBeforeItAfter20Seconds) {
  expect<ReadHostKeys>(Started{});
  expect<ConnectShell>(HostKeysRead{{"SHA256:x"}});
  const ConnectFailed refused{ConnectFailed::Why::unreachable, "connection refused"};
  expect<Wait>(refused);
  now += 20s - 1ms;
  expect<ConnectShell>(Waited{});
  expect<Wait>(refused);
  now += 1ms;
  expect<ReadStatusLog>(Waited{});
}

TEST_F(BringUpTest, SaysWhichChannelSpoke) {
  launched();
  on(status(BootStep::setup, StatusLine::Event::fail));
  EXPECT_EQ(expect<BringUpFailed>(ShellEnded{0, ""}).evidence.channel, "ssh");
  BringUp silent{settings, kStart};
  silent.next(Started{}, now);
  silent.next(HostKeysRead{}, now);
  silent.next(Connected{}, now);
  const auto late = silent.next(ShellEnded{kStillRunning, "", 5}, kStart + settings.bootstrap_timeout);
  EXPECT_EQ(std::get<BringUpFailed>(late).evidence.channel, "deadline");
}

struct Suspicion {
  BootStep step;
  std::string check;
  FailureCause cause;
};
class Suspects : public BringUpTest, public testing::WithParamInterface<Suspicion> {};
TEST_P(Suspects, TheCauseOfItsStepAndCheck) {
  launched();
  on(status(GetParam().step, StatusLine::Event::fail, GetParam().check));
  const auto failed = expect<BringUpFailed>(ShellEnded{0, ""});
  EXPECT_EQ(failed.suspected, GetParam().cause);
  EXPECT_THAT(failed.evidence.tails.at("bootstrap").back(), HasSubstr("unrecognized arguments"));
}
INSTANTIATE_TEST_SUITE_P(
    Steps, Suspects,
    testing::Values(Suspicion{BootStep::preflight, "gpu", FailureCause::preflight_gpu},
                    Suspicion{BootStep::preflight, "memory", FailureCause::preflight_memory},
                    Suspicion{BootStep::preflight, "disk", FailureCause::preflight_disk},
                    Suspicion{BootStep::preflight, "mount", FailureCause::preflight_mount},
                    Suspicion{BootStep::preflight, "network", FailureCause::preflight_network},
                    Suspicion{BootStep::preflight, "credentials", FailureCause::preflight_credentials},
                    Suspicion{BootStep::preflight, "tools", FailureCause::fetch_failed},
                    Suspicion{BootStep::preflight, "", FailureCause::start_failed},
                    Suspicion{BootStep::fetch, "", FailureCause::fetch_failed},
                    Suspicion{BootStep::setup, "", FailureCause::setup_failed},
                    Suspicion{BootStep::start, "", FailureCause::start_failed}));

}  // namespace
}  // namespace gpuwarden::bootstrap
