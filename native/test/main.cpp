// dlrm_native_test [--share=I/N] [--limit=SECONDS] [PART ...]
//
// Runs the tests whose names contain one of the parts (all without one); a part may have *, ? and [] as file names have:
// "cin*variants". --share: of these, test I, I + N, I + 2 N, ... --limit: a test that takes longer fails; the tests after it,
// or after one that crashes or leaves a GPU unusable, run in another process.
#include <fnmatch.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "base/device.h"
#include "base/isa.h"
#include "test/op_checks.h"
#include "test/sanitizer.h"
#include "test/test.h"

#if defined(DLRM_ADDRESS_SANITIZER)
#include <sanitizer/common_interface_defs.h>
#endif

namespace dlrm::test {
namespace {

enum Outcome { passed, failed, skipped };

char current[512];

bool own_told = false;
bool* told = &own_told;  // that the test has failed; with --limit the process before looks at it

#if !defined(DLRM_ADDRESS_SANITIZER)
// Kernels are compared beside inaccessible pages: a fault is a finding. No recovery, since pool threads may be running.
void crashed(int signal) {
  const char* why = signal == SIGSEGV || signal == SIGBUS ? ": touched memory outside a buffer\n"
                    : signal == SIGILL                    ? ": instruction this machine does not have\n"
                                                          : ": killed by a signal\n";
  if (write(1, current, strlen(current)) < 0 || write(1, why, strlen(why)) < 0) _exit(3);
  *told = true;
  _exit(1);
}
#else
void reported() {
  const char* why = ": a sanitizer's report\n";
  if (write(1, current, strlen(current)) < 0 || write(1, why, strlen(why)) < 0) _exit(3);
  *told = true;
}
#endif

Outcome run(const Test& test) {
  snprintf(current, sizeof current, "not ok %s", test.name.c_str());
  fflush(stdout);
  try {
    test.run();
    printf("ok %s\n", test.name.c_str());
    return passed;
  } catch (const Skip& skip) {
    printf("skip %s: %s\n", test.name.c_str(), skip.why.c_str());
    return skipped;
  } catch (const Failure& failure) {
    printf("not ok %s: %s\n", test.name.c_str(), failure.why.c_str());
  } catch (const std::exception& error) {
    printf("not ok %s: unexpected %s\n", test.name.c_str(), error.what());
  }
  return failed;
}

struct Options {
  int first = 0, every = 1;
  unsigned limit = 0;
  std::vector<std::string> patterns;
};

bool parse(const std::string& argument, Options& options) {
  int read = 0;
  if (argument.compare(0, 2, "--")) return options.patterns.push_back("*" + argument + "*"), true;
  if (sscanf(argument.c_str(), "--share=%d/%d%n", &options.first, &options.every, &read) != 2 &&
      sscanf(argument.c_str(), "--limit=%u%n", &options.limit, &read) != 1)
    return false;
  return static_cast<size_t>(read) == argument.size() && options.every > 0 && options.first >= 0 && options.first < options.every;
}

bool wanted(const Test& test, const Options& options) {
  for (const std::string& pattern : options.patterns)
    if (!fnmatch(pattern.c_str(), test.name.c_str(), 0)) return true;
  return options.patterns.empty();
}

// The kernels of a plugin are tested beside those of the CPU: of DLRM_CUDA_PLUGIN, else the emulated one that the build puts
// beside the test; DLRM_CUDA_PLUGIN=none: none.
void choose_plugin() {
  const char* named = getenv("DLRM_CUDA_PLUGIN");
  std::string path = cuda_plugin_path();
  if (!named || !*named) {
    path = path.substr(0, path.rfind('/') + 1) + "dlrm_cuda_emulated.so";
    if (!access(path.c_str(), R_OK)) setenv("DLRM_CUDA_PLUGIN", path.c_str(), 1);
  } else if (path == "none") {
    unsetenv("DLRM_CUDA_PLUGIN");
  }
  const bool any = getenv("DLRM_CUDA_PLUGIN");
  printf("# CUDA device: %s\n", any ? cuda_device().name : "none");
}

// Has a kernel left the device in a state that fails everything after it? Only a new process gets another.
bool device_is_lost() {
  if (!getenv("DLRM_CUDA_PLUGIN")) return false;
  try {
    return cuda_plugin().synchronise(nullptr) != CudaStatus::ok;
  } catch (const Error&) {
    return true;
  }
}

// What the processes of a run with a limit share.
struct Progress {
  int next, counts[3];
  bool told;
  char name[256];  // of the test that runs
};

constexpr int kNoTests = 2, kAnotherProcess = 4;

void announce() {
  printf("# best instruction set: %s\n", isa_name(best_isa()));
  choose_plugin();
}

// From test progress.next on; returns the exit status.
int run_from(const Options& options, Progress& progress) {
  try {
    announce();
  } catch (const Error& error) {
    return fprintf(stderr, "dlrm_native_test: %s\n", error.what()), kNoTests;
  }
  std::vector<Test> all = tests(), chosen;
  for (Test& test : op_tests()) all.push_back(std::move(test));
  int match = 0;
  for (const Test& test : all)
    if (wanted(test, options) && match++ % options.every == options.first) chosen.push_back(test);
  while (static_cast<size_t>(progress.next) < chosen.size()) {
    const Test& test = chosen[static_cast<size_t>(progress.next++)];
    snprintf(progress.name, sizeof progress.name, "%s", test.name.c_str());
    alarm(options.limit);
    const Outcome outcome = run(test);
    alarm(0);
    ++progress.counts[outcome];
    if (options.limit && outcome == failed && device_is_lost()) return kAnotherProcess;
  }
  return 0;
}

// The tests in processes that follow each other. This one never opens the plugin: CUDA does not survive a fork.
int run_limited(const Options& options, Progress& progress) {
  signal(SIGALRM, SIG_DFL);
  for (;;) {
    const int before = progress.next;
    progress.told = false;
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) return fprintf(stderr, "dlrm_native_test: fork failed\n"), kNoTests;
    if (child == 0) {
#ifdef __linux__
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // who ends this program means all of it
#endif
      told = &progress.told;
      const int status = run_from(options, progress);
      fflush(stdout);
      _exit(status);
    }
    int status = 0;
    while (waitpid(child, &status, 0) != child) continue;
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kNoTests)) return WEXITSTATUS(status);
    if (progress.next == before) return fprintf(stderr, "dlrm_native_test: crashes before the first test\n"), kNoTests;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kAnotherProcess) continue;
    ++progress.counts[failed];
    if (progress.told) continue;
    const bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;  // a report that nobody hears of ends in an exit
    printf("not ok %s: %s\n", progress.name, hung ? "took too long" : WIFEXITED(status) && kAddressSanitizer ? "a sanitizer's report" : "its process is lost");
  }
}

}  // namespace

void set_context(const std::string& what) {
  char* at = strchr(current, '|');
  if (!at) at = current + strlen(current);
  snprintf(at, sizeof current - static_cast<size_t>(at - current), "| %s", what.c_str());
}

void expect(bool holds, const char* format, ...) {
  if (holds) return;
  char why[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(why, sizeof why, format, args);
  va_end(args);
  throw Failure{why};
}

void expect_error(Code code, const std::string& text, const std::function<void()>& fn) {
  try {
    fn();
  } catch (const Error& error) {
    expect(error.code == code, "expected %s, received %s: %s", code_name(code), code_name(error.code), error.what());
    expect(strstr(error.what(), text.c_str()), "expected a message with \"%s\", received: %s", text.c_str(), error.what());
    return;
  }
  expect(false, "expected %s with \"%s\", but nothing was thrown", code_name(code), text.c_str());
}

std::vector<Test>& tests() {
  static std::vector<Test> list;
  return list;
}

}  // namespace dlrm::test

int main(int argc, char** argv) {
  using namespace dlrm::test;
  Options options;
  for (int i = 1; i < argc; ++i)
    if (!parse(argv[i], options)) return fprintf(stderr, "dlrm_native_test: what is %s?\n", argv[i]), 2;
#if defined(DLRM_ADDRESS_SANITIZER)
  __sanitizer_set_death_callback(reported);
#else
  struct sigaction action = {};
  action.sa_handler = crashed;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(signal, &action, nullptr);
#endif
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fprintf(stderr, "dlrm_native_test: out of memory\n"), 2;
  auto& progress = *new (shared) Progress();
  const int status = options.limit ? run_limited(options, progress) : run_from(options, progress);
  const int* counts = progress.counts;
  printf("%d passed, %d failed, %d skipped\n", counts[0], counts[1], counts[2]);
  fflush(stdout);
  snprintf(current, sizeof current, "not ok leaks");
  return status ? status : counts[failed] ? 1 : 0;
}
