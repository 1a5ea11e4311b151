#include "config/env_file.hpp"

#include <gtest/gtest.h>

#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using testing::about;
using testing::all_of;
using testing::entry;
using testing::FakeSource;

struct Row {
  const char* text;
  const char* value;
};

TEST(EnvText, IsReadAsSystemdReadsAnEnvironmentFile) {
  for (const auto& [text, value] : std::initializer_list<Row>{
           {"A=b", "b"},
           {"  A = b \t\n", "b"},
           {"A=", ""},
           {"A=   \n", ""},
           {"A=b\r\n", "b"},
           {"\xEF\xBB\xBF"
            "A=b",
            "b"},
           {"A=x = y", "x = y"},
           {"A=b # no comment", "b # no comment"},
           {"A=prog \"my arg\" 'x'", "prog \"my arg\" 'x'"},  // quotes behind the first letter stay
           {"A=prog --x=\"1\"", "prog --x=\"1\""},
           {R"(A=a\ b\\c\"d)", "a b\\c\"d"},
           {"A=a \\\n  b", "a   b"},  // joined lines keep what stands in front
           {"A=a \\\r\nb", "a b"},
           {"A=a\\ \n", "a "},  // an escaped blank is no trailing blank
           {"A=a\\", "a"},
           {R"(A="a b")", "a b"},
           {R"(A=  "a b"  )", "a b"},
           {R"(A="a \"b\" \$c \`d\` \\ \n")", R"(a "b" $c `d` \ \n)"},
           {"A=\"a\\\nb\"", "ab"},
           {"A=\"a\nb\"", "a\nb"},
           {R"(A='a "b" \n $c')", R"(a "b" \n $c)"},
           {"A='a\nb'", "a\nb"},
           {R"(A='"my prog" --arg "x"')", R"("my prog" --arg "x")"},
           {R"(A='it'"'"'s')", "it's"},
           {R"(A="")", ""},
       }) {
    const EnvText read = parse_env_text(text);
    EXPECT_TRUE(read.bad_lines.empty()) << text;
    ASSERT_EQ(read.assignments.size(), 1U) << text;
    EXPECT_EQ(read.assignments[0].name, "A") << text;
    EXPECT_EQ(read.assignments[0].value, value) << text;
  }
}

TEST(EnvText, SkipsCommentsAndEmptyLinesAndCountsLines) {
  const EnvText read =
      parse_env_text("# a comment that ends in a backslash \\\nA=1\n\n ; B=2\n\t\nC='x\ny'\nD=4\n");
  EXPECT_TRUE(read.bad_lines.empty());
  ASSERT_EQ(read.assignments.size(), 3U);
  EXPECT_EQ(read.assignments[0].line, 2);
  EXPECT_EQ(read.assignments[1].line, 6);
  EXPECT_EQ(read.assignments[2].line, 8);
  EXPECT_TRUE(parse_env_text("").assignments.empty());
}

TEST(EnvText, RefusesWhatSystemdWouldReadInAnUnexpectedWay) {
  for (const auto& [text, message] : std::initializer_list<Row>{
           {"PLANTED\nZ=1", "is not NAME=value."},
           {R"(A="my prog" --arg "PLANTED")"
            "\nZ=1",
            "has text behind the closing quote."},
           {"A='x' # PLANTED\nZ=1", "has text behind the closing quote."},
           {"A='x' 'PLANTED'\nZ=1", "has text behind the closing quote."},
           {"A=\"PLANTED\nZ=1", "has a quote that is never closed."},
           {"A='PLANTED\nZ=1", "has a quote that is never closed."},
           {"A=\"PLANTED\\\"\nZ=1", "has a quote that is never closed."},
           {"export A=PLANTED\nZ=1", "begins with 'export', as only a shell reads it."},
           {"=PLANTED\nZ=1", "has no valid name before the =."},
           {"1A=PLANTED\nZ=1", "has no valid name before the =."},
           {"A B=PLANTED\nZ=1", "has no valid name before the =."},
       }) {
    const EnvText read = parse_env_text(text);
    ASSERT_EQ(read.bad_lines.size(), 1U) << text;
    EXPECT_EQ(read.bad_lines[0].line, 1) << text;
    EXPECT_TRUE(read.bad_lines[0].message.starts_with(message)) << read.bad_lines[0].message;
    EXPECT_EQ(read.bad_lines[0].message.find("PLANTED"), std::string::npos);
    ASSERT_EQ(read.assignments.size(), 1U) << text << ": what follows is still read";
    EXPECT_EQ(read.assignments[0].name, "Z");
    EXPECT_EQ(read.assignments[0].line, 2);
  }
}

/// Nothing configured but what a test adds.
FakeSource empty_source() {
  FakeSource fake;
  fake.source.environment.clear();
  return fake;
}

constexpr const char* kWhole =
    "SUPABASE_URL=https://abcdefghijkl.supabase.co\nSUPABASE_SECRET_KEY=sb_secret_x\n"
    "SUPABASE_PUBLISHABLE_KEY=sb_publishable_x\nRUNPOD_API_KEY=rpa_x\nRUNPOD_GPU_TYPE=NVIDIA L4\n"
    "RUNPOD_WORKER_IMAGE=image\nWORKER_REPO_URL=https://example.com/w.git\n"
    "WORKER_START_CMD='\"my prog\" --arg \"x\"'\n";

TEST(EnvironmentFile, OfTheServiceIsReadWhereNothingElseIsConfigured) {
  FakeSource fake = empty_source();
  const Loaded loaded = fake.file(kServiceEnvFile, kWhole).load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->bootstrap.start_cmd, "\"my prog\" --arg \"x\"");
  EXPECT_EQ(entry(loaded, "SUPABASE_URL").origin, "/etc/gpuwarden/gpuwarden.env:1");
  EXPECT_EQ(loaded.file.path, kServiceEnvFile);
  EXPECT_TRUE(loaded.file.by_default);
  EXPECT_EQ(loaded.config->daemon.state_dir, "/var/lib/gpuwarden")
      << "the service's state, whoever reads its configuration";
}

TEST(EnvironmentFile, OfTheServiceIsLeftAloneWhenTheEnvironmentConfigures) {
  const Loaded loaded = FakeSource().file(kServiceEnvFile, "GPUWARDEN_OWNER=other\n").load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->policy.owner, "default");
  EXPECT_EQ(loaded.file.path, "");
  FakeSource none = empty_source();
  none.set("GPUWARDEN_ENV_FILE", "").file(kServiceEnvFile, kWhole);
  EXPECT_FALSE(none.load().config) << "an empty name means no file";
}

TEST(EnvironmentFile, ThatIsNamedIsReadAndWinsWithAWarning) {
  const Loaded loaded = FakeSource()
                            .set("GPUWARDEN_ENV_FILE", "/my.env")
                            .set("MAX_ACTIVE_GPUS", "3")
                            .file("/my.env", "MAX_ACTIVE_GPUS=4\nGPUWARDEN_ENV_FILE=/other\n")
                            .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->policy.max_active, 4);
  EXPECT_EQ(loaded.config->daemon.state_dir, "/state");
  EXPECT_EQ(entry(loaded, "MAX_ACTIVE_GPUS").origin, "/my.env:1");
  EXPECT_EQ(all_of(loaded.warnings),
            "/my.env:1: sets MAX_ACTIVE_GPUS, which the environment sets to another value; the file counts.\n"
            "/my.env:2: GPUWARDEN_ENV_FILE has no effect inside a file. Remove it.\n");
}

TEST(EnvironmentFile, SaysWhenANameIsSetTwice) {
  const Loaded loaded = FakeSource()
                            .set("GPUWARDEN_ENV_FILE", "/my.env")
                            .file("/my.env", "MAX_ACTIVE_GPUS=4\nMAX_ACTIVE_GPUS=5\n")
                            .load();
  EXPECT_EQ(loaded.config->policy.max_active, 5);
  EXPECT_EQ(all_of(loaded.warnings),
            "/my.env:2: sets MAX_ACTIVE_GPUS again, after /my.env:1; the last one counts. Remove one.\n");
}

TEST(EnvironmentFile, ReportsItsBadLinesTogetherWithEverythingElse) {
  FakeSource fake = empty_source();
  const Loaded loaded =
      fake.file(kServiceEnvFile,
                std::string(kWhole) + "oops\nMAX_ACTIVE_GPUS=many\nLOG_FILE='x\nLOG_LEVEL=loud\n")
          .load();
  EXPECT_EQ(
      all_of(loaded.errors),
      "/etc/gpuwarden/gpuwarden.env:9: is not NAME=value. Mend it, or put # in front.\n"
      "/etc/gpuwarden/gpuwarden.env:11: has a quote that is never closed. Close it, or put the value in "
      "the other kind.\n"
      "MAX_ACTIVE_GPUS: must be a whole number from 0 to 10000, not 'many' "
      "(/etc/gpuwarden/gpuwarden.env:10)\n"
      "LOG_LEVEL: must be debug, info, warning or error, not 'loud' (/etc/gpuwarden/gpuwarden.env:12)\n");
}

TEST(EnvironmentFile, ThatThisUserMayNotReadIsTheOneErrorThatMatters) {
  FakeSource fake = empty_source();
  fake.set("MAX_ACTIVE_GPUS", "x").file(kServiceEnvFile, fail(ErrorKind::unauthorized, "Permission denied"));
  EXPECT_EQ(all_of(fake.load().errors),
            "GPUWARDEN_ENV_FILE: this user may not read /etc/gpuwarden/gpuwarden.env. Use sudo, or join the "
            "group that may: sudo usermod -aG gpuwarden $USER, then log in again.\n"
            "MAX_ACTIVE_GPUS: must be a whole number from 0 to 10000, not 'x'\n");
}

TEST(EnvironmentFile, ThatIsNamedAndMissingIsAnError) {
  FakeSource fake = empty_source();
  EXPECT_EQ(all_of(fake.set("GPUWARDEN_ENV_FILE", "/none").load().errors),
            "GPUWARDEN_ENV_FILE: cannot read '/none': No such file or directory. Correct the path, or unset "
            "GPUWARDEN_ENV_FILE.\n");
}

TEST(EnvironmentFile, ThatIsMissingByDefaultIsNone) {
  FakeSource fake = empty_source();
  const Loaded loaded = fake.load();
  EXPECT_EQ(loaded.file.path, "");
  EXPECT_FALSE(about(loaded.errors, "SUPABASE_URL").empty());
}

TEST(EnvironmentFile, ShownAsAnExampleIsReadWithoutABadLine) {
  const EnvText read = parse_env_text(example_file());
  EXPECT_TRUE(read.bad_lines.empty());
  EXPECT_FALSE(read.assignments.empty());
}

}  // namespace
}  // namespace gpuwarden::config
