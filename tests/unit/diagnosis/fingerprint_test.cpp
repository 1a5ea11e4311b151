#include <set>
#include <string>

#include <gtest/gtest.h>

#include "gpuwarden/diagnosis/diagnose.hpp"

namespace gpuwarden::diagnosis {
namespace {

struct Pair {
  const char* one;
  const char* other;
};

TEST(Fingerprint, IsTheSameForTheSameFaultElsewhere) {
  constexpr Pair kSame[] = {
      // times and levels before the message
      {"2026-11-24T01:48:40Z KeyError: 'frames'", "KeyError: 'frames'"},
      {"2026-11-24 01:48:40,123 ERROR KeyError: 'frames'", "[2027-01-02 03:04:05.999] KeyError: 'frames'"},
      {"ERROR 06-30 13:53:19 [core.py:515] ValueError: bad",
       "ERROR 07-01 01:02:03 [core.py:718] ValueError: bad"},
      {"[rank0]: RuntimeError: x failed", "[rank3]: RuntimeError: x failed"},
      // amounts
      {"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity "
       "of "
       "23.65 GiB of which 12.06 MiB is free.",
       "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 MiB. GPU 1 has a total capacity "
       "of "
       "79.15 GiB of which 3.00 MiB is free."},
      {"Out of memory: Killed process 8123 (python) total-vm:91203948kB, anon-rss:62012332kB",
       "Out of memory: Killed process 77 (python) total-vm:1203kB, anon-rss:2012332kB"},
      {"index 51 is out of bounds for axis 0 with size 50",
       "index 7 is out of bounds for axis 0 with size 3"},
      // processes, addresses, ports, hosts
      {"python[4711]: segfault at 7f1c2b7fe640 ip 00007f1c2b7fe640 sp 00007ffc error 4",
       "python[99]: segfault at 55d0c0ffee00 ip 000055d0c0ffee00 sp 00007ffd error 4"},
      {"connect to 203.0.113.7 port 40022: Connection refused",
       "connect to 198.51.100.23 port 31337: Connection refused"},
      {"NVRM: Xid (PCI:0000:c1:00): 79, pid=1234, GPU has fallen off the bus.",
       "NVRM: Xid (PCI:0000:0a:00): 79, pid=99, GPU has fallen off the bus."},
      {"CUDA error at 0x7f00deadbeef", "CUDA error at 0x55aa"},
      // identifiers
      {"task 3f0b8a7e-1c2d-4e5f-8a9b-0c1d2e3f4a5b failed",
       "task 00000000-1111-4222-8333-444455556666 failed"},
      {"worker gpu-default-20261124014840-0000beef died", "worker gpu-default-20261125120000-12345678 died"},
      {"pod xedezhzb9la3ye not found", "pod 8hh3kx0aqw9z1c not found"},
      {"OCI runtime create failed: container 3f2a9c81d0 exited",
       "OCI runtime create failed: container 9be0d2174c exited"},
      // paths and temporary places
      {"can't open file '/workspace/worker/main.py': [Errno 2]",
       "can't open file '/runpod-volume/w2/main.py': [Errno 2]"},
      {"error: command '/tmp/pip-build-env-k3xw/bin/ninja' failed",
       "error: command '/tmp/pip-build-env-9zq1/bin/ninja' failed"},
      {"No space left on device: '/workspace/out/7f3a.mp4'",
       "No space left on device: '/workspace/out/90c1.mp4'"},
      {"OSError: [Errno 28] No space left on device: '/tmp/tmpab12cd34'",
       "OSError: [Errno 28] No space left on device: '/tmp/tmpzz91xy00'"},
      {"/usr/lib/python3.10/json/decoder.py:355: bad", "/usr/lib/python3.12/json/decoder.py:400: bad"},
      {"Could not resolve host: xedezhzb9la3ye-8888.proxy.runpod.net",
       "Could not resolve host: 8hh3kx0aqw9z1c-8888.proxy.runpod.net"},
      // requests
      {"https://abc.supabase.co/rest/v1/rpc/x?id=7 answered 500",
       "https://abc.supabase.co/rest/v1/rpc/x?id=8 answered 500"},
      // terminal
      {"\x1B[31mValueError: bad\x1B[0m", "ValueError: bad"},
      {" 45%|####  | 9/20 [00:01<00:02, 2.1it/s]ValueError: bad", "ValueError: bad"},
  };
  for (const Pair& pair : kSame) {
    EXPECT_EQ(fingerprint(FailureCause::worker_crashed, pair.one),
              fingerprint(FailureCause::worker_crashed, pair.other))
        << pair.one << "\n"
        << pair.other;
  }
}

TEST(Fingerprint, DiffersForDifferentFaults) {
  constexpr Pair kDifferent[] = {
      {"KeyError: 'frames'", "KeyError: 'prompt'"},
      {"KeyError: 'frames'", "IndexError: 'frames'"},
      {"ModuleNotFoundError: No module named 'torch'", "ModuleNotFoundError: No module named 'diffusers'"},
      {"worker.py: error: unrecognized arguments: --colour",
       "worker.py: error: unrecognized arguments: --size"},
      {"CUDA error: unknown error", "CUDA error: unspecified launch failure"},
      {"fatal: couldn't find remote ref main", "fatal: couldn't find remote ref release"},
      {"E: Unable to locate package libfoo", "E: Unable to locate package libbar"},
      {"can't open file '/workspace/main.py'", "can't open file '/workspace/worker.py'"},
      {"fatal: repository 'https://github.com/a/b.git/' not found",
       "fatal: repository 'https://gitlab.com/a/b.git/' not found"},
      {"No space left on device", "Disk quota exceeded"},
      // numbers that are codes
      {"NVRM: Xid (PCI:0000:c1:00): 79, pid=1234", "NVRM: Xid (PCI:0000:c1:00): 48, pid=1234"},
      {"curl: (22) The requested URL returned error: 401",
       "curl: (22) The requested URL returned error: 503"},
      {"OSError: [Errno 13] x", "OSError: [Errno 5] x"},
      {"exit code 137 (SIGKILL)", "exit code 139 (SIGSEGV)"},
      {"libcudnn.so.9: cannot open shared object file", "libcublas.so.12: cannot open shared object file"},
      {"bash: line 4: uv: command not found", "bash: line 4: pip: command not found"},
      {"Could not find a version that satisfies the requirement torch==2.9",
       "Could not find a version that satisfies the requirement numpy==2.9"},
  };
  for (const Pair& pair : kDifferent) {
    EXPECT_NE(fingerprint(FailureCause::worker_crashed, pair.one),
              fingerprint(FailureCause::worker_crashed, pair.other))
        << pair.one << "\n"
        << pair.other;
  }
}

TEST(Fingerprint, DiffersByCauseForTheSameWords) {
  std::set<std::string> seen;
  for (const CauseFacts& about : all_causes()) {
    EXPECT_TRUE(seen.insert(fingerprint(about.cause, "Permission denied (publickey).")).second) << about.name;
  }
}

TEST(Fingerprint, IsSixteenHexDigitsWhateverTheText) {
  for (const std::string& text : {std::string(), std::string(100000, 'x'), std::string("\xFF\xFE\0", 3)}) {
    const std::string print = fingerprint(FailureCause::unclassified, text);
    EXPECT_EQ(print.size(), 16U);
    EXPECT_EQ(print.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
}

}  // namespace
}  // namespace gpuwarden::diagnosis
