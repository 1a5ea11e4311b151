#include "config_fixture.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

namespace gpuwarden::config::testing {
namespace {

std::string base64url(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0, held = 0;
  for (const char c : text) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) out.push_back(kAlphabet[(bits >> (held - 6)) & 63U]);
  }
  if (held > 0) out.push_back(kAlphabet[(bits << (6 - held)) & 63U]);
  return out;
}

std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

FakeSource::FakeSource() {
  source.environment = {{"SUPABASE_URL", "https://abcdefghijkl.supabase.co"},
                        {"SUPABASE_SECRET_KEY", kSecretKey},
                        {"SUPABASE_PUBLISHABLE_KEY", kPublishableKey},
                        {"RUNPOD_API_KEY", kRunpodKey},
                        {"RUNPOD_GPU_TYPE", "NVIDIA GeForce RTX 4090"},
                        {"RUNPOD_WORKER_IMAGE", "runpod/pytorch:2.4.0"},
                        {"WORKER_REPO_URL", "https://github.com/example/worker.git"},
                        {"WORKER_START_CMD", "python3 worker.py"}};
  source.state_directory = "/state";
}

FakeSource& FakeSource::set(const std::string& name, const std::string& value) {
  source.environment[name] = value;
  return *this;
}
FakeSource& FakeSource::unset(const std::string& name) {
  source.environment.erase(name);
  return *this;
}
FakeSource& FakeSource::file(const std::string& path, Result<std::string> text) {
  files.insert_or_assign(path, std::move(text));
  return *this;
}

Loaded FakeSource::load(SshKey need) const {
  Source copy = source;
  copy.read_file = [this](const std::string& path) -> Result<std::string> {
    const auto at = files.find(path);
    if (at == files.end()) return fail(ErrorKind::not_found, "No such file or directory");
    return at->second;
  };
  read_env_file(copy);
  return config::load(copy, need);
}

std::string about(const std::vector<Problem>& problems, std::string_view name) {
  for (const Problem& problem : problems) {
    if (problem.name == name) return problem.message;
  }
  return "";
}

std::string all_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem.name + ": " + problem.message + "\n";
  return text;
}

const Entry& entry(const Loaded& loaded, std::string_view name) {
  for (const Entry& one : loaded.entries) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("no entry " + std::string(name));
}

std::string jwt(std::string_view role) {
  return base64url(R"({"alg":"HS256","typ":"JWT"})") + "." +
         base64url(fmt::format(R"({{"iss":"supabase","role":"{}","exp":2000000000}})", role)) +
         ".PLANTEDsignature";
}

MadeKey made_key(const std::string& command) {
  std::string directory = "/tmp/gpuwarden-keys-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp");
  const std::string line = "cd " + directory + " && " + command + " >/dev/null 2>&1";
  const int status = std::system(line.c_str());
  // What ssh-keygen itself derives is the reference for what we derive.
  const std::string derive = "cd " + directory +
                             " && chmod 600 key && ssh-keygen -y -P '' -f key > derived " +
                             "2>/dev/null && ssh-keygen -l -f derived > print 2>/dev/null";
  const int derived = std::system(derive.c_str());
  MadeKey key{slurp(directory + "/key"), "", ""};
  if (derived == 0) {
    std::istringstream public_line(slurp(directory + "/derived")), print(slurp(directory + "/print"));
    std::string type, body, bits;
    public_line >> type >> body;
    print >> bits >> key.fingerprint;
    key.public_line = type + " " + body;
  }
  std::filesystem::remove_all(directory);
  if (status != 0 || key.text.empty()) throw std::runtime_error("cannot make a key: " + command);
  return key;
}

const MadeKey& ed25519() {
  static const MadeKey kKey = made_key("ssh-keygen -q -t ed25519 -N '' -C test -f key");
  return kKey;
}

}  // namespace gpuwarden::config::testing
