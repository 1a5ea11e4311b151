#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpuwarden/config/keys.hpp"

#include "config/own_ssh_key.hpp"
#include "config_fixture.hpp"

namespace gpuwarden::config {
namespace {

using testing::about;
using testing::all_of;
using testing::ed25519;
using testing::entry;
using testing::FakeSource;
using testing::made_key;
using testing::MadeKey;

std::string refusal(const std::string& key) {
  const auto facts = inspect_ssh_key(key);
  return facts ? "accepted" : facts.error().message;
}

TEST(SshKeys, OfGoodKindsAreAcceptedAndTheirPublicKeyDerived) {
  for (const char* command :
       {"ssh-keygen -q -t ed25519 -N '' -f key", "ssh-keygen -q -t ecdsa -b 256 -N '' -f key",
        "ssh-keygen -q -t ecdsa -b 384 -N '' -f key", "ssh-keygen -q -t ecdsa -b 521 -N '' -f key",
        "ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f key",
        "ssh-keygen -q -t ecdsa -b 521 -m PEM -N '' -f key",
        "ssh-keygen -q -t ecdsa -b 384 -m PKCS8 -N '' -f key"}) {
    SCOPED_TRACE(command);
    const MadeKey key = made_key(command);
    const auto facts = inspect_ssh_key(key.text);
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts->public_line, key.public_line);
    EXPECT_EQ(facts->fingerprint, key.fingerprint);
    EXPECT_TRUE(key.public_line.starts_with(facts->type + " "));
  }
}

TEST(SshKeys, OfTypeRsaAreRefusedInAnyContainerWithTheCommandThatMakesAGoodOne) {
  for (const char* command :
       {"ssh-keygen -q -t rsa -b 2048 -N '' -f key", "ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f key",
        "ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -f key"}) {
    EXPECT_EQ(refusal(made_key(command).text),
              "is an RSA key, and current SSH servers refuse the signatures that the daemon can make with "
              "it. Make a "
              "good one: ssh-keygen -t ed25519 -N '' -f gpuwarden_ed25519")
        << command;
  }
}

TEST(SshKeys, BehindAPassphraseAreRefusedWithTheCommandThatTakesItOff) {
  for (const char* command :
       {"ssh-keygen -q -t ed25519 -N secret -f key", "ssh-keygen -q -t ecdsa -m PEM -N secret -f key",
        "ssh-keygen -q -t ecdsa -m PKCS8 -N secret -f key"}) {
    EXPECT_EQ(refusal(made_key(command).text),
              "is protected by a passphrase, which the daemon cannot type. Take it off: ssh-keygen -p -N '' "
              "-f FILE")
        << command;
  }
}

TEST(SshKeys, OfOtherKindsAreRefusedByName) {
  EXPECT_NE(refusal(made_key("openssl genpkey -algorithm ed25519 -out key").text).find("OpenSSH form"),
            std::string::npos);
  EXPECT_NE(
      refusal(made_key("openssl ecparam -name secp256k1 -genkey -noout -out key").text).find("secp256k1"),
      std::string::npos);
  EXPECT_NE(refusal("PuTTY-User-Key-File-3: ssh-ed25519\n").find("puttygen"), std::string::npos);
  EXPECT_EQ(refusal(ed25519().public_line), "is a public key. Give the private one: the file without .pub");
  EXPECT_EQ(refusal("hello"), "is no private key: it must begin with -----BEGIN OPENSSH PRIVATE KEY-----");
}

TEST(SshKeys, ThatAreDamagedAreRefusedAtEveryLength) {
  const std::string& good = ed25519().text;
  const std::string end = "-----END OPENSSH PRIVATE KEY-----\n";
  const std::size_t body = good.size() - end.size();
  for (std::size_t length = 0; length + 1 < body; ++length)
    EXPECT_FALSE(inspect_ssh_key(good.substr(0, length))) << length;
  // The last bytes are comment and padding; what counts is the part before the private half ends.
  for (std::size_t length = 36; length < body / 2; length += 3)
    EXPECT_FALSE(inspect_ssh_key(good.substr(0, length) + "\n" + end)) << length;
}

TEST(SshKeys, ComeAsTextWithRealOrWrittenLineBreaks) {
  std::string flat;
  for (const char c : ed25519().text) {
    if (c == '\n')
      flat += "\\n";
    else
      flat.push_back(c);
  }
  for (const std::string& text : {ed25519().text, flat, "\"" + flat + "\""}) {
    const Loaded loaded = FakeSource().set("RUNPOD_SSH_PRIVATE_KEY", text).load();
    ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
    EXPECT_EQ(loaded.config->ssh.private_key.reveal(), ed25519().text);
    EXPECT_EQ(loaded.config->ssh.public_key, ed25519().public_line + " gpuwarden");
    EXPECT_EQ(entry(loaded, "RUNPOD_SSH_PUBLIC_KEY").value, ed25519().public_line);
    EXPECT_EQ(entry(loaded, "RUNPOD_SSH_PUBLIC_KEY").origin, "derived from the private key");
  }
}

TEST(SshKeys, ComeFromAFileInTheHomeDirectory) {
  FakeSource fake;
  fake.set("HOME", "/home/me").file("/home/me/.ssh/k", ed25519().text);
  for (const char* name : {"RUNPOD_SSH_PRIVATE_KEY", "RUNPOD_SSH_PRIVATE_KEY_PATH"}) {
    FakeSource one = fake;
    const Loaded loaded = one.set(name, "~/.ssh/k").load();
    ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
    EXPECT_EQ(loaded.config->ssh.origin, "/home/me/.ssh/k");
  }
  EXPECT_EQ(
      about(fake.set("RUNPOD_SSH_PRIVATE_KEY_PATH", "/none").load().errors, "RUNPOD_SSH_PRIVATE_KEY_PATH"),
      "cannot read '/none': No such file or directory. Check the path and who may read it.");
}

TEST(SshKeys, GivenTwiceAreAnError) {
  const Loaded loaded = FakeSource()
                            .set("RUNPOD_SSH_PRIVATE_KEY", ed25519().text)
                            .set("RUNPOD_SSH_PRIVATE_KEY_PATH", "/k")
                            .load();
  EXPECT_EQ(about(loaded.errors, "RUNPOD_SSH_PRIVATE_KEY"),
            "is set, and RUNPOD_SSH_PRIVATE_KEY_PATH too. Remove one of them.");
}

TEST(SshKeys, MustMatchAPublicKeyThatIsGiven) {
  FakeSource fake;
  fake.set("RUNPOD_SSH_PRIVATE_KEY", ed25519().text);
  EXPECT_TRUE(fake.set("RUNPOD_SSH_PUBLIC_KEY", ed25519().public_line + " me@home").load().config);
  const MadeKey other = made_key("ssh-keygen -q -t ed25519 -N '' -f key");
  EXPECT_EQ(
      about(fake.set("RUNPOD_SSH_PUBLIC_KEY", other.public_line).load().errors, "RUNPOD_SSH_PUBLIC_KEY"),
      "does not belong to the private key (ssh-ed25519 " + ed25519().fingerprint +
          "). Remove it: the public key is derived.");
}

class OwnKey : public ::testing::Test {
 protected:
  OwnKey() {
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp");
    source.environment = FakeSource().source.environment;
    source.state_directory = directory + "/state";
    source.read_file = process_source().read_file;
  }
  ~OwnKey() override { std::filesystem::remove_all(directory); }
  std::string directory = "/tmp/gpuwarden-own-key-XXXXXX";
  Source source;
};

TEST_F(OwnKey, IsNotMadeByAMereCheck) {
  const Loaded loaded = load(source, SshKey::check);
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_TRUE(loaded.config->ssh.private_key.empty());
  EXPECT_EQ(loaded.config->ssh.origin,
            "own key, will be made at the first run: " + own_key_path(source.state_directory));
  EXPECT_FALSE(std::filesystem::exists(source.state_directory));
}

TEST_F(OwnKey, IsNotMadeWhenTheConfigurationIsWrong) {
  source.environment.erase("RUNPOD_API_KEY");
  EXPECT_FALSE(load(source, SshKey::make).config);
  EXPECT_FALSE(std::filesystem::exists(source.state_directory));
}

TEST_F(OwnKey, IsNeitherMadeNorMissedByCommandsThatOpenNoConnection) {
  const Loaded loaded = load(source, SshKey::unused);
  ASSERT_TRUE(loaded.config) << all_of(loaded.errors);
  EXPECT_EQ(loaded.config->ssh.problem, "");
  EXPECT_FALSE(std::filesystem::exists(source.state_directory));
  source.state_directory.clear();
  EXPECT_TRUE(load(source, SshKey::unused).config) << "a user without a home";
  EXPECT_FALSE(load(source, SshKey::make).config);
}

TEST_F(OwnKey, ThatIsAnotherUsersIsNoErrorUnlessItIsNeeded) {
  source.read_file = [](const std::string&) -> Result<std::string> {
    return fail(ErrorKind::unauthorized, "Permission denied");
  };
  const Loaded unused = load(source, SshKey::unused);
  ASSERT_TRUE(unused.config);
  EXPECT_TRUE(unused.config->ssh.not_ours);
  EXPECT_NE(unused.config->ssh.problem.find("cannot be read: Permission denied"), std::string::npos);
  EXPECT_EQ(all_of(unused.warnings), "");
  const Loaded checked = load(source, SshKey::check);
  ASSERT_TRUE(checked.config);
  EXPECT_NE(about(checked.warnings, "RUNPOD_SSH_PRIVATE_KEY"), "");
  EXPECT_NE(about(load(source, SshKey::make).errors, "RUNPOD_SSH_PRIVATE_KEY"), "");
}

TEST_F(OwnKey, ThatRootMakesBelongsToTheUserOfTheStateDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kDaemon = 4711;
  std::filesystem::create_directory(source.state_directory);
  ASSERT_EQ(::chown(source.state_directory.c_str(), kDaemon, kDaemon), 0);
  ASSERT_TRUE(load(source, SshKey::make).config);
  for (const char* ending : {"", ".pub"}) {
    struct stat status {};
    ASSERT_EQ(::stat((own_key_path(source.state_directory) + ending).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, kDaemon) << ending;
    EXPECT_EQ(status.st_gid, kDaemon) << ending;
  }
}

TEST_F(OwnKey, IsMadeOnceAndForItsOwnerOnly) {
  const Loaded first = load(source, SshKey::make);
  ASSERT_TRUE(first.config) << all_of(first.errors);
  ASSERT_FALSE(first.config->ssh.private_key.empty());
  EXPECT_TRUE(first.config->ssh.public_key.starts_with("ssh-ed25519 "));
  struct stat status {};
  ASSERT_EQ(::stat(own_key_path(source.state_directory).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(source.state_directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  const Loaded second = load(source, SshKey::make);
  ASSERT_TRUE(second.config);
  EXPECT_EQ(second.config->ssh.private_key, first.config->ssh.private_key);
  int files = 0;
  for (const auto& item : std::filesystem::directory_iterator(source.state_directory))
    files += item.exists() ? 1 : 0;
  EXPECT_EQ(files, 2) << "key and public key, and no scratch directory";
}

TEST_F(OwnKey, KeepsTheOneThatAnotherStartHasJustMade) {
  ASSERT_TRUE(make_own_key(source.state_directory));
  const auto key = source.read_file(own_key_path(source.state_directory));
  ASSERT_TRUE(make_own_key(source.state_directory));
  EXPECT_EQ(*source.read_file(own_key_path(source.state_directory)), *key);
}

TEST_F(OwnKey, ThatCannotBeMadeIsAnErrorWithARemedy) {
  std::ofstream(directory + "/file") << "x";
  source.state_directory = directory + "/file";
  EXPECT_NE(about(load(source, SshKey::make).errors, "RUNPOD_SSH_PRIVATE_KEY").find("GPUWARDEN_STATE_DIR"),
            std::string::npos);
}

}  // namespace
}  // namespace gpuwarden::config
