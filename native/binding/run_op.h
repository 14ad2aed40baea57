// Any op of the registry, alone, on typed arrays: what lib/kernels.ts and the benchmark call. A new op adds nothing here.
#pragma once
#include <napi.h>

namespace dlrm::binding {

Napi::Value run_op(const Napi::CallbackInfo& info);
Napi::Value run_probe(const Napi::CallbackInfo& info);
Napi::Value table_rows(const Napi::CallbackInfo& info);
Napi::Value table_floats(const Napi::CallbackInfo& info);
Napi::Value op_names(const Napi::CallbackInfo& info);

}  // namespace dlrm::binding
