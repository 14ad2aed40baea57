// dlrm_native_test [--share=I/N] [--limit=SECONDS] [PART ...]
//
// Runs the tests whose names contain one of the parts (all without one); a part may have *, ? and [] as file names have:
// "cin*variants". --share: of these, test I, I + N, I + 2 N, ... --limit: every test in a process of its own, which fails
// when it takes longer (and when it crashes: the tests after it still run).
#include <fnmatch.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "base/device.h"
#include "base/isa.h"
#include "test/op_checks.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

enum Outcome { passed, failed, skipped };

char current[512];

// Kernels are compared beside inaccessible pages: a fault is a finding. No recovery, since pool threads may be running.
void crashed(int signal) {
  const char* why = signal == SIGSEGV || signal == SIGBUS ? ": touched memory outside a buffer\n"
                    : signal == SIGILL                    ? ": instruction this machine does not have\n"
                                                          : ": killed by a signal\n";
  if (write(1, current, strlen(current)) < 0 || write(1, why, strlen(why)) < 0) _exit(3);
  _exit(1);
}

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

// In a process of its own, so that neither an endless test nor a crash stops the others.
Outcome run_limited(const Test& test, unsigned limit) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(limit);
    const Outcome outcome = run(test);
    fflush(stdout);
    _exit(outcome);
  }
  int status = 0;
  if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)) {
    const int outcome = WEXITSTATUS(status);
    return outcome == passed || outcome == skipped ? static_cast<Outcome>(outcome) : failed;
  }
  const bool late = child > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
  printf("not ok %s: %s\n", test.name.c_str(), late ? "took too long" : "its process is lost");
  return failed;
}

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
  struct sigaction action = {};
  action.sa_handler = crashed;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(signal, &action, nullptr);
  printf("# best instruction set: %s\n", dlrm::isa_name(dlrm::best_isa()));
  try {
    choose_plugin();
  } catch (const dlrm::Error& error) {
    return fprintf(stderr, "dlrm_native_test: %s\n", error.what()), 2;
  }
  std::vector<Test> all = tests();
  for (Test& test : op_tests()) all.push_back(std::move(test));
  int counts[3] = {0, 0, 0};
  int match = 0;
  for (const Test& test : all)
    if (wanted(test, options) && match++ % options.every == options.first) ++counts[options.limit ? run_limited(test, options.limit) : run(test)];
  printf("%d passed, %d failed, %d skipped\n", counts[0], counts[1], counts[2]);
  return counts[1] ? 1 : 0;
}
