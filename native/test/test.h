// A test is a function that returns, fails by expect() or skips. Tests register themselves with TEST; op_checks.cpp
// makes more of them from the registry and cases.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"

namespace dlrm::test {

struct Test {
  std::string name;
  std::function<void()> run;
};

struct Failure {
  std::string why;
};
struct Skip {
  std::string why;
};

// Throws Failure with the printf-style reason unless `holds`.
void expect(bool holds, const char* format, ...) __attribute__((format(printf, 2, 3)));
// fn must throw Error of this code, with `text` in its message.
void expect_error(Code code, const std::string& text, const std::function<void()>& fn);

std::vector<Test>& tests();
struct Register {
  Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

// What the crash handler names when a guard page is touched; set by the checks, shorter than 200 characters.
void set_context(const std::string& what);

#define TEST(name)                                                   \
  static void name();                                                \
  static const dlrm::test::Register name##_registration(#name, name); \
  static void name()

}  // namespace dlrm::test
