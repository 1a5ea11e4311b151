#include "gpuwarden/ports/evidence_json.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace gpuwarden::ports {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Evidence full_evidence() {
  Evidence evidence;
  evidence.worker = "gpu-default-20261124010203-00c0ffee";
  evidence.phase = "bootstrapping:setup";
  evidence.step = "setup";
  evidence.channel = "container_log";
  evidence.exit_code = 1;
  evidence.signal = "SIGKILL";
  evidence.heartbeat_age_s = 12.5;
  evidence.task = Evidence::Task{"2f1c", 2};
  evidence.pod = Evidence::PodFacts{"RUNNING", "NVIDIA GeForce RTX 4090", "EU-RO-1", "img:1", 42.0, 0.44};
  evidence.tails["worker"] = {"one", "two"};
  evidence.tails["container"] = {};
  evidence.probe["df"] = "Filesystem\n/dev/sda1 100%";
  evidence.api = Evidence::ApiAnswer{"runpod", 400, "no"};
  evidence.missing = {"ps: no SSH"};
  return evidence;
}

std::vector<std::string> numbered(int count, std::size_t length) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) {
    std::string line = "line " + std::to_string(i) + " ";
    line.resize(length, 'x');
    lines.push_back(line);
  }
  return lines;
}

TEST(EvidenceJson, SaysNothingOfAChannelThatIsNotKnown) {
  EXPECT_FALSE(json::parse(evidence_to_json(Evidence{})).contains("channel"));
}

TEST(EvidenceJson, ReadsBackWhatItWrote) {
  const Evidence in = full_evidence();
  const auto out = evidence_from_json(evidence_to_json(in));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->worker, in.worker);
  EXPECT_EQ(out->phase, in.phase);
  EXPECT_EQ(out->step, in.step);
  EXPECT_EQ(out->channel, in.channel);
  EXPECT_EQ(out->exit_code, in.exit_code);
  EXPECT_EQ(out->signal, in.signal);
  EXPECT_EQ(out->heartbeat_age_s, in.heartbeat_age_s);
  ASSERT_TRUE(out->task);
  EXPECT_EQ(out->task->id, "2f1c");
  EXPECT_EQ(out->task->attempts, 2);
  ASSERT_TRUE(out->pod);
  EXPECT_EQ(out->pod->status, "RUNNING");
  EXPECT_EQ(out->pod->gpu, in.pod->gpu);
  EXPECT_EQ(out->pod->data_center, "EU-RO-1");
  EXPECT_EQ(out->pod->image, "img:1");
  EXPECT_EQ(out->pod->uptime_s, 42.0);
  EXPECT_EQ(out->pod->cost_per_hr, 0.44);
  EXPECT_EQ(out->tails, in.tails);
  EXPECT_EQ(out->probe, in.probe);
  ASSERT_TRUE(out->api);
  EXPECT_EQ(out->api->service, "runpod");
  EXPECT_EQ(out->api->status, 400);
  EXPECT_EQ(out->api->detail, "no");
  EXPECT_EQ(out->missing, in.missing);
}

TEST(EvidenceJson, EmptyEvidenceIsAnEmptyObject) {
  EXPECT_EQ(evidence_to_json(Evidence()), "{}");
  EXPECT_TRUE(evidence_from_json("{}"));
}

TEST(EvidenceJson, ReadsTheDocumentedFormWithNulls) {
  const auto out = evidence_from_json(
      R"({"worker":"w","exit_code":null,"signal":null,"heartbeat_age_s":null,"task":null,"pod":null,
          "tails":null,"probe":null,"api":null})");
  ASSERT_TRUE(out);
  EXPECT_EQ(out->worker, "w");
  EXPECT_FALSE(out->exit_code || out->heartbeat_age_s || out->task || out->pod || out->api);
  EXPECT_TRUE(out->signal.empty());
}

TEST(EvidenceJson, TranslatesASignalNumberToItsName) {
  const auto signal = [](const std::string& text) {
    const auto evidence = evidence_from_json(R"({"signal":)" + text + "}");
    return evidence ? evidence->signal : "unreadable";
  };
  EXPECT_EQ(signal("9"), "SIGKILL");
  EXPECT_EQ(signal("11"), "SIGSEGV");
  EXPECT_EQ(signal("31"), "SIGSYS");
  EXPECT_EQ(signal("32"), "SIG32");
  EXPECT_EQ(signal("0"), "");
  EXPECT_EQ(signal("-1"), "");
  EXPECT_EQ(signal(R"("9")"), "SIGKILL");
  EXPECT_EQ(signal(R"("TERM")"), "SIGTERM");
  EXPECT_EQ(signal(R"("SIGTERM")"), "SIGTERM");
  EXPECT_EQ(signal(R"("odd")"), "odd");
}

TEST(EvidenceJson, WrongTypesCountAsAbsent) {
  const auto out = evidence_from_json(
      R"({"exit_code":"one","heartbeat_age_s":[],"task":5,"pod":"x","tails":[1],"probe":7,"api":true,"missing":3})");
  ASSERT_TRUE(out);
  EXPECT_FALSE(out->exit_code || out->heartbeat_age_s || out->task || out->pod || out->api);
  EXPECT_TRUE(out->tails.empty() && out->probe.empty() && out->missing.empty());
}

TEST(EvidenceJson, AnExitCodeBeyondAnIntIsIgnored) {
  EXPECT_FALSE(evidence_from_json(R"({"exit_code":99999999999})")->exit_code);
}

TEST(EvidenceJson, ATailMayBeOneTextWithLineBreaks) {
  const auto out = evidence_from_json(R"({"tails":{"worker":"a\nb\n"}})");
  ASSERT_TRUE(out);
  EXPECT_THAT(out->tails.at("worker"), ElementsAre("a", "b"));
}

TEST(EvidenceJson, OnlyTextThatIsNoObjectIsAnError) {
  for (const char* text : {"", "[]", "null", "{", "no", "\"{}\""}) {
    const auto out = evidence_from_json(text);
    ASSERT_FALSE(out) << text;
    EXPECT_EQ(out.error().kind, ErrorKind::malformed);
  }
}

TEST(EvidenceJson, BrokenUtf8IsReplacedWhenWrittenAndWhenRead) {
  Evidence evidence;
  evidence.tails["worker"] = {"bad \xff\xfe byte"};
  const std::string text = evidence_to_json(evidence);
  EXPECT_TRUE(json::accept(text));
  EXPECT_THAT(text, HasSubstr("bad "));
  const auto read = evidence_from_json("{\"tails\":{\"worker\":[\"bad \xff byte\"]}}");
  ASSERT_TRUE(read);
  EXPECT_THAT(read->tails.at("worker"), ElementsAre("bad \xEF\xBF\xBD byte"));
}

TEST(EvidenceJson, NulBytesAreNotWrittenBecauseJsonbRefusesThem) {
  Evidence evidence;
  evidence.tails["worker"] = {std::string("a\0b", 3)};
  evidence.probe["ps"] = std::string("c\0d", 3);
  const std::string text = evidence_to_json(evidence);
  EXPECT_EQ(text.find("\\u0000"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("a b"));
}

TEST(EvidenceJson, KeepsWithinTheBoundAndLosesTheMiddleOfTheTail) {
  Evidence evidence = full_evidence();
  evidence.tails["worker"] = numbered(5000, 100);
  const std::string text = evidence_to_json(evidence);
  EXPECT_LE(text.size(), 64U * 1024U);
  EXPECT_GE(text.size(), 48U * 1024U) << "most of the room is used";
  const json tail = json::parse(text)["tails"]["worker"];
  EXPECT_THAT(tail.front().get<std::string>(), HasSubstr("line 0 "));
  EXPECT_THAT(tail.back().get<std::string>(), HasSubstr("line 4999 "));
  EXPECT_THAT(text, HasSubstr("lines left out"));
}

TEST(EvidenceJson, KeepsTheFirstAndTheLastErrorLineFromTheMiddle) {
  Evidence evidence;
  evidence.tails["worker"] = numbered(5000, 100);
  evidence.tails["worker"][2000] = "RuntimeError: first of many";
  evidence.tails["worker"][2500] = "ValueError: one between";
  evidence.tails["worker"][3000] = "ImportError: last of many";
  const json tail = json::parse(evidence_to_json(evidence))["tails"]["worker"];
  EXPECT_THAT(tail, Contains("RuntimeError: first of many"));
  EXPECT_THAT(tail, Contains("ImportError: last of many"));
  EXPECT_THAT(tail, Not(Contains("ValueError: one between")));
}

TEST(EvidenceJson, AShortTailStaysWholeBesideALongOne) {
  Evidence evidence;
  evidence.tails["worker"] = numbered(5000, 100);
  evidence.tails["system"] = numbered(20, 100);
  const json tails = json::parse(evidence_to_json(evidence))["tails"];
  EXPECT_EQ(tails["system"].get<std::vector<std::string>>(), evidence.tails["system"]);
}

TEST(EvidenceJson, CutsNothingAtTheBoundAndSomethingBelowIt) {
  Evidence evidence;
  evidence.tails["worker"] = numbered(200, 100);
  const std::string whole = evidence_to_json(evidence, 1U << 20U);
  // A list that fits only by a hair may be cut; the room that gap markers would need decides.
  EXPECT_EQ(evidence_to_json(evidence, whole.size() + 64), whole);
  const std::string cut = evidence_to_json(evidence, whole.size() - 64);
  EXPECT_LT(cut.size(), whole.size());
  EXPECT_THAT(cut, HasSubstr("lines left out"));
}

TEST(EvidenceJson, OneEndlessLineLosesItsMiddle) {
  Evidence evidence;
  evidence.tails["worker"] = {"begin" + std::string(1U << 20U, 'x') + "end"};
  const std::string line = json::parse(evidence_to_json(evidence))["tails"]["worker"][0];
  EXPECT_LE(line.size(), 2048U);
  EXPECT_TRUE(line.starts_with("begin"));
  EXPECT_TRUE(line.ends_with("end"));
}

TEST(EvidenceJson, HugeProbesAndControlCharactersKeepTheBound) {
  for (const std::size_t bound :
       {std::size_t{64} * 1024, std::size_t{2000}, std::size_t{300}, std::size_t{20}}) {
    Evidence evidence = full_evidence();
    for (int i = 0; i < 40; ++i) evidence.probe["p" + std::to_string(i)] = std::string(100'000, '\x01');
    evidence.tails["worker"] = std::vector<std::string>(3000, std::string(60, '"'));
    for (int i = 0; i < 500; ++i) evidence.missing.emplace_back(3000, 'm');
    evidence.api->detail = std::string(1U << 20U, '\xff');
    const std::string text = evidence_to_json(evidence, bound);
    EXPECT_LE(text.size(), bound);
    EXPECT_TRUE(json::accept(text)) << bound;
  }
}

TEST(EvidenceJson, WhatIsMissingStaysNamedBesideHugeTailsAndProbes) {
  Evidence evidence = full_evidence();
  for (const auto* name : {"worker", "bootstrap", "container", "system"})
    evidence.tails[name] = numbered(500, 1000);
  for (const auto* name : {"ps", "nvidia_smi", "dmesg", "df"})
    evidence.probe[name] = std::string(60'000, 'x');
  evidence.missing = {"git: nothing was fetched", "supabase: no answer within 7 s"};
  const std::string text = evidence_to_json(evidence);
  EXPECT_LE(text.size(), 65'536U);
  const auto back = evidence_from_json(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->missing, evidence.missing);
  EXPECT_EQ(back->probe.size(), 4U);
  for (const auto& [name, lines] : back->tails) EXPECT_EQ(lines.back(), evidence.tails[name].back()) << name;
}

TEST(EvidenceJson, TailsKeepHalfOfTheRoomFromGreedyProbes) {
  Evidence evidence;
  for (int i = 0; i < 8; ++i) evidence.probe["p" + std::to_string(i)] = std::string(100'000, 'p');
  evidence.tails["worker"] = numbered(5000, 100);
  const json doc = json::parse(evidence_to_json(evidence));
  EXPECT_GE(doc["tails"].dump().size(), 30U * 1024U);
}

}  // namespace
}  // namespace gpuwarden::ports
