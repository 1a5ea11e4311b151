// deploy/lib/packages.sh with a package manager that only notes what it is asked.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace gpuwarden::sandbox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kStandIns = R"sh(
. "$root/deploy/lib/packages.sh"
GW_POLICY_FILE=$dir/policy
id() { echo 0; }
gw_missing_packages() { echo "$missing"; }
gw_install_packages() {
  echo "install $*, policy: $(tail -n 1 "$dir/policy" 2>/dev/null)"
  return "${code:-0}"
}
systemctl() { echo "systemctl $*"; }
)sh";

class Packages : public testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "gpuwarden-packages.XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir = pattern;
  }
  void TearDown() override { fs::remove_all(dir); }
  /// Output of a script that has the functions; its exit code is the last line.
  std::string run(const std::string& script) const {
    std::ofstream(dir + "/script.sh") << "root=" GPUWARDEN_SOURCE_DIR " dir=" << dir << "\n"
                                      << kStandIns << script << "\necho \"exit $?\"\n";
    std::string output;
    auto* pipe = ::popen(("bash " + dir + "/script.sh 2>&1").c_str(), "r");
    if (pipe == nullptr) return "";
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
    ::pclose(pipe);
    return output;
  }
  std::string dir;
};

TEST_F(Packages, AnSshServerThatWasNotThereIsNeitherStartedNorLeftEnabled) {
  const auto output = run("missing=openssh-server gw_install_ssh_server");
  EXPECT_THAT(output, HasSubstr("install openssh-server, policy: exit 101"));
  EXPECT_THAT(output, HasSubstr("systemctl --quiet disable ssh.service"));
  EXPECT_THAT(output, HasSubstr("exit 0"));
  EXPECT_FALSE(fs::exists(dir + "/policy")) << "other packages may start their services again";
}

TEST_F(Packages, AnSshServerThatIsThereIsLeftAsItIs) {
  EXPECT_EQ(run("missing= gw_install_ssh_server"), "exit 0\n");
}

TEST_F(Packages, ThePolicyOfTheMachineIsLeftAlone) {
  std::ofstream(dir + "/policy") << "exit 104\n";
  EXPECT_THAT(run("missing=openssh-server gw_install_ssh_server"), HasSubstr("policy: exit 104"));
  EXPECT_TRUE(fs::exists(dir + "/policy"));
}

TEST_F(Packages, AFailedInstallationIsToldAndLeavesNoPolicyBehind) {
  const auto output = run("code=1 missing=openssh-server gw_install_ssh_server");
  EXPECT_THAT(output, HasSubstr("exit 1"));
  EXPECT_THAT(output, Not(HasSubstr("systemctl")));
  EXPECT_FALSE(fs::exists(dir + "/policy"));
}

}  // namespace
}  // namespace gpuwarden::sandbox
