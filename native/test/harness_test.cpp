// The harness itself: with --limit it goes on behind tests that hang or crash. It runs itself on tests that do, which are there
// only then.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "test/environment.h"
#include "test/sanitizer.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

constexpr const char* kOnPurpose = "DLRM_TEST_DELIBERATE";

const bool registered = [] {
  if (!getenv(kOnPurpose)) return false;
  Register("deliberate_1_passes", [] {});
  Register("deliberate_2_hangs", [] {
    for (;;) pause();
  });
  Register("deliberate_3_touches_nothing", [] {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
  });
  Register("deliberate_4_is_killed", [] { raise(SIGKILL); });
  Register("deliberate_5_fails", [] { expect(false, "on purpose"); });
  Register("deliberate_6_skips", [] { throw Skip{"on purpose"}; });
  Register("deliberate_7_passes", [] {});
  return true;
}();

}  // namespace

TEST(harness_goes_on_behind_bad_tests) {
  char self[512] = {};
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) throw Skip{"needs /proc"};
  const Environment bad(kOnPurpose, "1"), plugin("DLRM_CUDA_PLUGIN", "none");
  FILE* pipe = popen((std::string("'") + self + "' --limit=1 deliberate_ 2>&1").c_str(), "r");
  expect(pipe, "popen");
  std::string log;
  char block[1024];
  for (size_t n; (n = fread(block, 1, sizeof block, pipe)) > 0;) log.append(block, n);
  expect(pclose(pipe) != 0, "failures are not in the status: %s", log.c_str());
  const char* touched = kAddressSanitizer ? "not ok deliberate_3_touches_nothing: a sanitizer's report\n"
                                          : "not ok deliberate_3_touches_nothing: touched memory outside a buffer\n";
  for (const char* line : {"ok deliberate_1_passes\n", "not ok deliberate_2_hangs: took too long\n", touched,
                           "not ok deliberate_4_is_killed: its process is lost\n", "not ok deliberate_5_fails: on purpose\n", "skip deliberate_6_skips: on purpose\n",
                           "ok deliberate_7_passes\n", "2 passed, 4 failed, 1 skipped\n"})
    expect(log.find(line) != std::string::npos, "no \"%s\" in: %s", line, log.c_str());
}

}  // namespace dlrm::test
