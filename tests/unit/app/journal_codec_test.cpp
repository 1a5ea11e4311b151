#include "app/journal_codec.hpp"

#include <random>
#include <sstream>

#include <boost/pfr/tuple_size.hpp>
#include <gtest/gtest.h>

#include "app/journal_json.hpp"

namespace gpuwarden::app::journal {
namespace {

/// Fills everything that journal_fields.hpp names with something else each time.
struct Filler {
  std::mt19937_64 random;

  std::uint64_t draw(std::uint64_t below) { return random() % below; }

  template <class T>
  void operator()(const char* /*name*/, T& value) {
    fill(value);
  }
  void fill(bool& value) { value = draw(2) == 1; }
  void fill(std::string& value) {
    static const std::vector<std::string> kTexts{"",     "a",  "naïve \"quoted\" \\ text", "two\nlines\t",
                                                 "日本", "x|y"};
    value = kTexts[draw(kTexts.size())];
  }
  void fill(double& value) {
    static const std::vector<double> kNumbers{0, 0.1, -3.75, 1e-9, 12345678.901, 1.0 / 3.0};
    value = kNumbers[draw(kNumbers.size())];
  }
  template <class T>
    requires std::is_integral_v<T>
  void fill(T& value) {
    static constexpr std::uint64_t kBits = 0x9e3779b97f4a7c15ULL;
    value = draw(3) == 0 ? T{} : static_cast<T>(draw(2) == 0 ? draw(100) : random() ^ kBits);
  }
  void fill(Duration& value) { value = Duration{static_cast<long>(draw(10'000'000)) - 5000}; }
  template <class Clock>
  void fill(std::chrono::time_point<Clock, Duration>& value) {
    fill(*reinterpret_cast<Duration*>(&value));
  }
  template <class Tag>
  void fill(StrongId<Tag>& value) {
    value = StrongId<Tag>("id-" + std::to_string(draw(1000)));
  }
  template <class T>
  void fill(std::optional<T>& value) {
    value.reset();
    if (draw(2) == 0) return;
    value = T{};
    fill(*value);
  }
  template <class T>
  void fill(std::vector<T>& list) {
    list.clear();
    for (std::uint64_t i = draw(4); i > 0; --i) {
      T value{};
      fill(value);
      list.push_back(std::move(value));
    }
  }
  void fill(std::set<WorkerId>& set) {
    set.clear();
    for (std::uint64_t i = draw(4); i > 0; --i) set.emplace("worker-" + std::to_string(draw(50)));
  }
  template <class Map>
    requires requires { typename Map::mapped_type; }
  void fill(Map& map) {
    map.clear();
    for (std::uint64_t i = draw(4); i > 0; --i) {
      typename Map::mapped_type value{};
      fill(value);
      map.emplace(typename Map::key_type("key-" + std::to_string(draw(50))), std::move(value));
    }
  }
  // Enums: values that have a name.
  void fill(WorkerStatus& value) { value = static_cast<WorkerStatus>(draw(5)); }
  void fill(Phase& value) { value = static_cast<Phase>(draw(13)); }
  void fill(BootStep& value) { value = static_cast<BootStep>(draw(4)); }
  void fill(Cloud& value) { value = static_cast<Cloud>(draw(2)); }
  void fill(PodStatus& value) { value = static_cast<PodStatus>(draw(7)); }
  void fill(StockLevel& value) { value = static_cast<StockLevel>(draw(5)); }
  void fill(BreakerState& value) { value = static_cast<BreakerState>(draw(3)); }
  void fill(BreakerOverride::Kind& value) { value = static_cast<BreakerOverride::Kind>(draw(2)); }
  void fill(FailureCause& value) { value = static_cast<FailureCause>(draw(20)); }
  void fill(policy::Note::Kind& value) { value = static_cast<policy::Note::Kind>(draw(7)); }
  template <class T>
    requires std::is_class_v<T> && requires(T value, Filler filler) { visit_fields(filler, value); }
  void fill(T& value) {
    visit_fields(*this, value);
  }
};

/// Every field with its value, defaults included: what two equal objects share.
struct Teller {
  std::ostringstream text;

  template <class T>
  void operator()(const char* name, const T& value) {
    text << name << "=";
    tell(value);
    text << ";";
  }
  template <class T>
  void tell(const T& value) {
    if constexpr (requires { visit_fields(*this, value); }) {
      text << "{";
      visit_fields(*this, value);
      text << "}";
    } else if constexpr (requires { value.has_value(); }) {
      text << (value.has_value() ? "some:" : "none");
      if (value.has_value()) tell(*value);
    } else if constexpr (requires { typename T::mapped_type; }) {
      std::map<std::string, std::string> sorted;
      for (const auto& [key, one] : value) {
        Teller inner;
        inner.tell(one);
        sorted[detail::key_text(key)] = inner.text.str();
      }
      for (const auto& [key, one] : sorted) text << key << "->" << one << ",";
    } else if constexpr (std::is_same_v<T, std::string>) {
      text << value;
    } else if constexpr (requires { value.str(); }) {
      text << value.str();
    } else if constexpr (requires { value.begin(); }) {
      for (const auto& one : value) tell(one), text << ",";
    } else if constexpr (std::is_enum_v<T>) {
      text << static_cast<int>(value);
    } else if constexpr (requires { value.count(); }) {
      text << value.count();
    } else if constexpr (requires { value.time_since_epoch(); }) {
      text << value.time_since_epoch().count();
    } else {
      text << std::hexfloat << value;
    }
  }
};

template <class T>
std::string told(const T& value) {
  Teller teller;
  teller.tell(value);
  return teller.text.str();
}

struct Counter {
  std::size_t fields{0};
  template <class T>
  void operator()(const char* /*name*/, T& /*value*/) {
    ++fields;
  }
};
template <class T>
std::size_t named() {
  T value{};
  Counter counter;
  visit_fields(counter, value);
  return counter.fields;
}

template <class T>
struct JournalType : testing::Test {};
using Types =
    testing::Types<Placement, CrashReport, Worker, SshEndpoint, Pod, ScopeBreaker, BreakerMemory,
                   BreakerOverride, StartOutcome, TypeDepth, QueueDepth, TaskPace, RunningTask, Leadership,
                   Tombstone, Switches, Snapshot, policy::Offer, policy::Observation, policy::Note,
                   policy::Settings, policy::Memory, policy::Memory::WorkerSeen, policy::Memory::DeleteTries,
                   policy::Memory::CandidatePause, RecentFailure, policy::StuckLimit,
                   policy::Memory::ClockJump, policy::Memory::ClockPair, policy::Memory::SizeSeen>;
TYPED_TEST_SUITE(JournalType, Types);

TYPED_TEST(JournalType, HasEveryFieldNamed) {
  EXPECT_EQ(named<TypeParam>(), boost::pfr::tuple_size_v<TypeParam>)
      << "a field is missing in src/app/journal_fields.hpp";
}

TYPED_TEST(JournalType, ComesBackEqualFromItsText) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Filler filler{std::mt19937_64(seed)};
    TypeParam value{};
    filler.fill(value);
    const std::string text = encode(value).dump();
    TypeParam read{};
    ASSERT_TRUE(decode(Json::parse(text), read)) << "seed " << seed << ": " << text;
    ASSERT_EQ(told(read), told(value)) << "seed " << seed << ": " << text;
  }
}

TYPED_TEST(JournalType, AFreshOneIsAnEmptyObject) {
  EXPECT_EQ(encode(TypeParam{}).dump(), "{}");
}

TEST(JournalLine, EnumsAreWordsAndUnknownOnesAreRefused) {
  EXPECT_EQ(encode(FailureCause::start_failed), Json("start_failed"));
  EXPECT_EQ(encode(PodStatus::unrecognized), Json(std::string(to_string(PodStatus::unrecognized))));
  WorkerStatus status{};
  EXPECT_TRUE(decode(Json("terminating"), status));
  EXPECT_EQ(status, WorkerStatus::terminating);
  EXPECT_FALSE(decode(Json("resting"), status));
  EXPECT_FALSE(decode(Json(2), status));
}

TEST(JournalLine, WhatIsOfAnotherTypeIsRefused) {
  Worker worker;
  EXPECT_FALSE(decode(Json::parse(R"({"age":"old"})"), worker));
  EXPECT_FALSE(decode(Json::parse(R"({"tasks":{"a":1}})"), worker));
  EXPECT_FALSE(decode(Json::parse(R"([])"), worker));
  EXPECT_FALSE(decode(Json::parse(R"({"placement":{"cloud":"PRIVATE"}})"), worker));
  EXPECT_TRUE(decode(Json::parse(R"({"a_later_field":1})"), worker));
}

TEST(JournalLine, ATickAStartAndChangedSettingsComeBack) {
  Filler filler{std::mt19937_64(7)};
  policy::Settings settings;
  policy::Memory memory;
  policy::Observation seen;
  std::vector<policy::Note> notes;
  filler.fill(settings);
  filler.fill(memory);
  filler.fill(seen);
  while (notes.empty()) filler.fill(notes);
  const WallTime at{std::chrono::milliseconds(1'790'000'000'123)};
  const auto start = parse_line(start_json({kFormat, "1.2.3", at, settings, memory}).dump());
  ASSERT_TRUE(start && start->start) << start.error().message;
  EXPECT_EQ(start->start->version, "1.2.3");
  EXPECT_EQ(start->start->at, at);
  EXPECT_EQ(start->start->settings, settings);
  EXPECT_EQ(told(start->start->memory), told(memory));
  EXPECT_EQ(parse_line(settings_json(settings).dump())->settings, settings);

  Plan plan;
  plan.actions.push_back({SpawnWorker{WorkerId("w"), {}, true, 3}, "because"});
  plan.gates.push_back({"ceiling", "10 of 10", std::nullopt});
  const std::uint64_t random = 0xfedcba9876543210ULL;
  const auto tick = parse_line(
      tick_json({42, at, MonoTime{Duration{99}}, random, seen, settings, notes, plan, memory}).dump());
  ASSERT_TRUE(tick && tick->tick) << tick.error().message;
  EXPECT_EQ(tick->tick->number, 42U);
  EXPECT_EQ(tick->tick->random, random);
  EXPECT_EQ(tick->tick->now, MonoTime{Duration{99}});
  EXPECT_EQ(told(tick->tick->seen), told(seen));
  EXPECT_EQ(told(tick->tick->notes), told(notes));
  EXPECT_EQ(tick->tick->plan, plan_json(plan));
}

TEST(JournalLine, WhatIsNoLineOfAJournalSaysSo) {
  const auto why = [](const char* text) {
    const auto line = parse_line(text);
    return line ? std::string("accepted") : line.error().message;
  };
  EXPECT_EQ(why("hello"), "no JSON object");
  EXPECT_EQ(why("[]"), "no JSON object");
  EXPECT_EQ(why("{}"), "no line of a journal");
  EXPECT_EQ(why(R"({"k":"song"})"), "no line of a journal");
  EXPECT_EQ(why(R"({"k":"start"})"), "a start without a format");
  EXPECT_EQ(why(R"({"k":"start","format":2})"), "a journal of format 2, this program knows 1");
  EXPECT_EQ(why(R"({"k":"start","format":1})"), "a start without version, time, settings or memory");
  EXPECT_EQ(why(R"({"k":"tick","n":1})"), "a tick without number, time or seed");
  EXPECT_EQ(why(R"({"k":"tick","n":1,"at":0,"now":0,"random":1,"seen":{"pods":1},"plan":{}})"),
            "a tick whose observation cannot be read");
  EXPECT_EQ(why(R"({"k":"tick","n":1,"at":0,"now":0,"random":1,"seen":{}})"), "a tick without a plan");
  EXPECT_EQ(why(R"({"k":"settings","settings":[]})"), "settings that cannot be read");
}

}  // namespace
}  // namespace gpuwarden::app::journal
