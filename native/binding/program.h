// exec/Program as a JavaScript class; lib/native.ts has its types.
#pragma once
#include <napi.h>

namespace dlrm::binding {

Napi::Function program_class(Napi::Env env);

}  // namespace dlrm::binding
