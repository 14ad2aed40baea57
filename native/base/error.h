// Errors with stable codes; the names are those of lib/errors.ts.
#pragma once
#include <stdexcept>
#include <string>

namespace dlrm {

enum class Code { argument, shape, index, offsets, buffer, value, state, memory, device };

const char* code_name(Code code);  // "ERR_ARGUMENT", ...

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code(code) {}
  const Code code;
};

// Throws Error with a printf-style message: "[op] argument: expected ..., received ...".
[[noreturn]] void fail(Code code, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace dlrm
