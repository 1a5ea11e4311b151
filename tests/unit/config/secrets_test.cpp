#include <gtest/gtest.h>

#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using testing::about;
using testing::all_of;
using testing::entry;
using testing::FakeSource;
using testing::jwt;

/// Everything that a person may see of a configuration.
std::string visible(const Loaded& loaded) {
  std::string text = all_of(loaded.errors) + all_of(loaded.warnings);
  for (const Entry& one : loaded.entries)
    text += one.name + " " + one.value + " " + one.origin + " " + one.default_value + "\n";
  return text;
}

TEST(Secrets, ComeFromAFile) {
  const Loaded loaded = FakeSource()
                            .unset("RUNPOD_API_KEY")
                            .set("RUNPOD_API_KEY_FILE", "/run/key")
                            .file("/run/key", "rpa_fromfile\n")
                            .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->runpod.api_key.reveal(), "rpa_fromfile");
  EXPECT_EQ(entry(loaded, "RUNPOD_API_KEY").origin, "file /run/key");
  EXPECT_EQ(all_of(loaded.warnings), "");
}

TEST(Secrets, ComeFromASystemdCredential) {
  FakeSource fake;
  fake.unset("RUNPOD_API_KEY").file("/creds/runpod_api_key", "rpa_fromcredential\n");
  EXPECT_FALSE(fake.load().config);
  fake.source.credentials_directory = "/creds";
  const Loaded loaded = fake.load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->runpod.api_key.reveal(), "rpa_fromcredential");
  EXPECT_EQ(entry(loaded, "RUNPOD_API_KEY").origin, "systemd credential runpod_api_key");
}

TEST(Secrets, WithTwoDifferentValuesAreAnErrorThatNamesBothSources) {
  FakeSource fake;
  fake.set("RUNPOD_API_KEY_FILE", "/run/key").file("/run/key", "rpa_other");
  EXPECT_EQ(about(fake.load().errors, "RUNPOD_API_KEY"),
            "has two different values, from environment and from file /run/key. Remove one of them.");
  fake.file("/run/key", testing::kRunpodKey);
  EXPECT_TRUE(fake.load().config);
}

TEST(Secrets, InAFileThatCannotBeReadOrIsEmptyAreOneErrorEach) {
  FakeSource fake;
  fake.unset("RUNPOD_API_KEY").set("RUNPOD_API_KEY_FILE", "/run/none");
  const Loaded missing = fake.load();
  ASSERT_EQ(missing.errors.size(), 1U) << all_of(missing.errors);
  EXPECT_EQ(about(missing.errors, "RUNPOD_API_KEY_FILE"),
            "cannot read '/run/none': No such file or directory. Check the path and who may read it.");
  const Loaded empty = fake.file("/run/none", " \n").load();
  ASSERT_EQ(empty.errors.size(), 1U) << all_of(empty.errors);
  EXPECT_EQ(about(empty.errors, "RUNPOD_API_KEY_FILE"), "the file '/run/none' is empty.");
}

TEST(Secrets, AreFoundUnderTheirOldNames) {
  const Loaded loaded = FakeSource()
                            .unset("SUPABASE_SECRET_KEY")
                            .set("SUPABASE_SERVICE_ROLE_KEY", jwt("service_role"))
                            .unset("SUPABASE_PUBLISHABLE_KEY")
                            .set("SUPABASE_ANON_KEY", jwt("anon"))
                            .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->supabase.secret_key.reveal(), jwt("service_role"));
  EXPECT_EQ(loaded.config->supabase.publishable_key.reveal(), jwt("anon"));
  EXPECT_EQ(entry(loaded, "SUPABASE_SECRET_KEY").origin,
            "environment, under the old name SUPABASE_SERVICE_ROLE_KEY");
}

TEST(Secrets, UnderTheNewNameWinOverTheOldOneWithAWarning) {
  const Loaded loaded = FakeSource().set("SUPABASE_SERVICE_ROLE_KEY", jwt("service_role")).load();
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->supabase.secret_key.reveal(), testing::kSecretKey);
  EXPECT_EQ(about(loaded.warnings, "SUPABASE_SERVICE_ROLE_KEY"),
            "is ignored because SUPABASE_SECRET_KEY is set, to another value. Remove it.");
}

TEST(Secrets, OfTheWrongKindAreRefused) {
  const auto error = [](const std::string& name, const std::string& value) {
    return about(FakeSource().set(name, value).load().errors, name);
  };
  EXPECT_EQ(error("SUPABASE_SECRET_KEY", jwt("anon")),
            "is the legacy anon key (JWT), which may not do the daemon's work. Give the secret key (Supabase "
            "dashboard, Project Settings, API Keys).");
  EXPECT_NE(error("SUPABASE_SECRET_KEY", "sb_publishable_abc"), "");
  EXPECT_NE(error("SUPABASE_SECRET_KEY", jwt("authenticated")), "");
  EXPECT_NE(error("SUPABASE_SECRET_KEY", "password"), "");
  EXPECT_EQ(error("SUPABASE_SECRET_KEY", jwt("service_role")), "");
  EXPECT_EQ(error("SUPABASE_PUBLISHABLE_KEY", "sb_secret_PLANTEDwrongplace"),
            "is the secret key (sb_secret_...): every pod would hold the key to the whole database. Give the "
            "publishable key (Supabase dashboard, Project Settings, API Keys).");
  EXPECT_NE(error("SUPABASE_PUBLISHABLE_KEY", jwt("service_role")), "");
  EXPECT_NE(error("SUPABASE_PUBLISHABLE_KEY", "abc"), "");
  EXPECT_EQ(error("SUPABASE_PUBLISHABLE_KEY", jwt("anon")), "");
}

TEST(Secrets, WithBlanksInsideAreRefused) {
  EXPECT_EQ(about(FakeSource().set("RUNPOD_API_KEY", "rpa_PLANTED two").load().errors, "RUNPOD_API_KEY"),
            "must be one word without blanks or line breaks: copy it again");
}

TEST(Secrets, NeverAppearInWhatPeopleSee) {
  const std::vector<std::pair<std::string, std::string>> planted{
      {"SUPABASE_SECRET_KEY", "PLANTED-not a key"},
      {"SUPABASE_SECRET_KEY", "sb_publishable_PLANTED"},
      {"SUPABASE_PUBLISHABLE_KEY", "sb_secret_PLANTEDPLANTED"},
      {"SUPABASE_SERVICE_ROLE_KEY", jwt("service_role")},
      {"RUNPOD_API_KEY", "rpa PLANTED"},
      {"RUNPOD_SSH_PRIVATE_KEY",
       "-----BEGIN OPENSSH PRIVATE KEY-----\nPLANTED\n-----END OPENSSH PRIVATE KEY-----"},
      {"RUNPOD_SSH_PRIVATE_KEY", "PLANTED"},
      {"ALERT_WEBHOOK_URL", "ftp://hooks.example.com/PLANTED"},
      {"ALERT_WEBHOOK_URL", "https://hooks.example.com/PLANTED"},
      {"WORKER_REPO_URL", "https://user:PLANTEDtoken@github.com/example/worker.git"},
      {"SUPABASE_URL", "https://user:PLANTEDtoken@abcdefghijkl.supabase.co"},
      {"WORKER_PASS_ENV", "HF_TOKEN=PLANTED"},
  };
  for (const auto& [name, value] : planted) {
    const Loaded loaded = FakeSource().set(name, value).load();
    EXPECT_EQ(visible(loaded).find("PLANTED"), std::string::npos) << name << "\n" << visible(loaded);
  }
}

TEST(Secrets, AreTaughtToTheRedactor) {
  const Loaded loaded =
      FakeSource()
          .set("ALERT_WEBHOOK_URL", "https://hooks.example.com/gpuwarden/PLANTEDhook01234567")
          .set("WORKER_REPO_URL", "https://user:PLANTEDtoken@github.com/example/worker.git")
          .set("WORKER_PASS_ENV", "MY_TOKEN")
          .set("MY_TOKEN", "PLANTEDpassedon")
          .set("RUNPOD_SSH_PRIVATE_KEY", testing::ed25519().text)
          .load();
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  Redactor redactor;
  teach(redactor, *loaded.config);
  for (const std::string& secret : {std::string(testing::kSecretKey), std::string(testing::kPublishableKey),
                                    std::string(testing::kRunpodKey),
                                    std::string("https://hooks.example.com/gpuwarden/PLANTEDhook01234567"),
                                    std::string("PLANTEDhook01234567"), std::string("PLANTEDtoken"),
                                    std::string("PLANTEDpassedon"), testing::ed25519().text.substr(36, 70)}) {
    EXPECT_EQ(redactor.redact("x" + secret + "y").find(secret), std::string::npos) << secret;
  }
  EXPECT_EQ(redactor.redact("/run/gpuwarden/control.sock"), "/run/gpuwarden/control.sock")
      << "an ordinary word of the webhook's address is no secret";
}

}  // namespace
}  // namespace gpuwarden::config
