#include "base/error.h"

#include <cstdarg>
#include <cstdio>

namespace dlrm {

const char* code_name(Code code) {
  switch (code) {
    case Code::argument: return "ERR_ARGUMENT";
    case Code::shape: return "ERR_SHAPE";
    case Code::index: return "ERR_INDEX";
    case Code::offsets: return "ERR_OFFSETS";
    case Code::buffer: return "ERR_BUFFER";
    case Code::value: return "ERR_VALUE";
    case Code::state: return "ERR_STATE";
    case Code::memory: return "ERR_MEMORY";
    case Code::device: return "ERR_DEVICE";
  }
  return "ERR_STATE";
}

void fail(Code code, const char* format, ...) {
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  throw Error(code, message);
}

}  // namespace dlrm
