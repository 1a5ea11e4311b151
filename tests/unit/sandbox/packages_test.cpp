// deploy/lib/packages.sh with a package manager that only notes what it is asked.
#include <gmock/gmock.h>

#include "unit/sandbox/shell_world.hpp"

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

class Packages : public ShellWorld {
 protected:
  std::string install(const std::string& variables) const {
    return run(kStandIns + variables + " gw_install_ssh_server");
  }
};

TEST_F(Packages, AnSshServerThatWasNotThereIsNeitherStartedNorLeftEnabled) {
  const auto output = install("missing=openssh-server");
  EXPECT_THAT(output, HasSubstr("install openssh-server, policy: exit 101"));
  EXPECT_THAT(output, HasSubstr("systemctl --quiet disable ssh.service"));
  EXPECT_THAT(output, HasSubstr("exit 0"));
  EXPECT_FALSE(fs::exists(dir + "/policy")) << "other packages may start their services again";
}

TEST_F(Packages, AnSshServerThatIsThereIsLeftAsItIs) {
  EXPECT_EQ(install("missing="), "exit 0\n");
}

TEST_F(Packages, ThePolicyOfTheMachineIsLeftAlone) {
  write("policy", "exit 104\n");
  EXPECT_THAT(install("missing=openssh-server"), HasSubstr("policy: exit 104"));
  EXPECT_TRUE(fs::exists(dir + "/policy"));
}

TEST_F(Packages, AFailedInstallationIsToldAndLeavesNoPolicyBehind) {
  const auto output = install("code=1 missing=openssh-server");
  EXPECT_THAT(output, HasSubstr("exit 1"));
  EXPECT_THAT(output, Not(HasSubstr("systemctl")));
  EXPECT_FALSE(fs::exists(dir + "/policy"));
}

}  // namespace
}  // namespace gpuwarden::sandbox
