// dlrm_native_test [filter]: runs the tests whose names contain the filter (all without one).
#include <signal.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>

#include "base/isa.h"
#include "test/op_checks.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

char current[512];

// Kernels are compared beside inaccessible pages: a fault is a finding. No recovery, since pool threads may be running.
void crashed(int signal) {
  const char* why = signal == SIGSEGV || signal == SIGBUS ? ": touched memory outside a buffer\n"
                    : signal == SIGILL                    ? ": instruction this machine does not have\n"
                                                          : ": killed by a signal\n";
  if (write(1, current, strlen(current)) < 0 || write(1, why, strlen(why)) < 0) _exit(3);
  _exit(1);
}

void run(const Test& test, int counts[3]) {
  snprintf(current, sizeof current, "not ok %s", test.name.c_str());
  fflush(stdout);
  try {
    test.run();
    printf("ok %s\n", test.name.c_str());
    ++counts[0];
  } catch (const Skip& skip) {
    printf("skip %s: %s\n", test.name.c_str(), skip.why.c_str());
    ++counts[2];
  } catch (const Failure& failure) {
    printf("not ok %s: %s\n", test.name.c_str(), failure.why.c_str());
    ++counts[1];
  } catch (const std::exception& error) {
    printf("not ok %s: unexpected %s\n", test.name.c_str(), error.what());
    ++counts[1];
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
  struct sigaction action = {};
  action.sa_handler = crashed;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigaction(signal, &action, nullptr);
  printf("# best instruction set: %s\n", dlrm::isa_name(dlrm::best_isa()));
  std::vector<Test> all = tests();
  for (Test& test : op_tests()) all.push_back(std::move(test));
  int counts[3] = {0, 0, 0};
  for (const Test& test : all)
    if (argc < 2 || test.name.find(argv[1]) != std::string::npos) run(test, counts);
  printf("%d passed, %d failed, %d skipped\n", counts[0], counts[1], counts[2]);
  return counts[1] ? 1 : 0;
}
