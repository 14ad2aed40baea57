// The addon's table of contents; lib/native.ts has the types.
#include <napi.h>

#include "base/device.h"
#include "binding/env.h"
#include "binding/program.h"
#include "binding/read.h"
#include "binding/run_op.h"

namespace dlrm::binding {
namespace {

Napi::Value isas(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env());
  for (int i = 0; i <= static_cast<int>(best_isa()); ++i) names[static_cast<uint32_t>(i)] = isa_name(static_cast<Isa>(i));
  return names;
}

Napi::Value get_isa(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), isa_name(default_isa())); });
}

// threads() reads, threads(n) sets the number of threads from the next call on.
Napi::Value threads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    if (!info[0].IsUndefined()) {
      const int64_t count = read_size(info[0], "threads");
      if (count < 1 || count > 1024) fail(Code::argument, "threads: expected an integer from 1 to 1024, received %lld", static_cast<long long>(count));
      set_threads(static_cast<int>(count));
    }
    return Napi::Number::New(info.Env(), current_threads());
  });
}

// lib/native.ts, CudaInfo
Napi::Value cuda(const Napi::CallbackInfo& info) {
  const auto version = [](int32_t number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); };
  auto result = Napi::Object::New(info.Env());
  result["plugin"] = cuda_plugin_path();
  try {
    const CudaDevice device = cuda_device();
    result["available"] = true;
    result["name"] = std::string(device.name);
    result["capability"] = std::to_string(device.major) + "." + std::to_string(device.minor);
    result["memory"] = static_cast<double>(device.bytes);
    result["freeMemory"] = static_cast<double>(device.free_bytes);
    result["driver"] = version(device.driver);
    result["runtime"] = version(device.runtime);
    result["emulated"] = device.emulated != 0;
  } catch (const Error& error) {
    result["available"] = false;
    result["reason"] = std::string(error.what());
  }
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  init_env(env);
  exports["setErrorClass"] = Napi::Function::New(env, set_error_class);
  exports["isas"] = Napi::Function::New(env, isas);
  exports["isa"] = Napi::Function::New(env, get_isa);
  exports["threads"] = Napi::Function::New(env, threads);
  exports["cuda"] = Napi::Function::New(env, cuda);
  exports["ops"] = Napi::Function::New(env, op_names);
  exports["runOp"] = Napi::Function::New(env, run_op);
  exports["probe"] = Napi::Function::New(env, run_probe);
  exports["tableRows"] = Napi::Function::New(env, table_rows);
  exports["tableFloats"] = Napi::Function::New(env, table_floats);
  exports["Program"] = program_class(env);
  return exports;
}

}  // namespace
}  // namespace dlrm::binding

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return dlrm::binding::init(env, exports); }
NODE_API_MODULE(dlrm, init_addon)
