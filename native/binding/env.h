// What one JavaScript environment (the main thread or a Worker) needs: its error class, and the way back from the compute thread.
#pragma once
#include <napi.h>

#include <functional>
#include <memory>

#include "base/compute_thread.h"
#include "base/error.h"

namespace dlrm::binding {

// Registers the class that errors are made of: new Class(code, message).
Napi::Value set_error_class(const Napi::CallbackInfo& info);
Napi::Error make_error(Napi::Env env, Code code, const std::string& message);

// Runs body() and turns dlrm::Error and std::bad_alloc into JavaScript errors.
template <class F>
auto guarded(Napi::Env env, F&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Error& e) {
    throw make_error(env, e.code, e.what());
  } catch (const std::bad_alloc&) {
    throw make_error(env, Code::memory, "out of memory");
  }
}

// Runs work on the compute thread and resolves the promise with finish(env), called on the JavaScript thread.
// Neither may hold JavaScript values: the environment can be gone when they are destroyed.
Napi::Promise run_async(Napi::Env env, std::function<void(Pool&)> work, std::function<Napi::Value(Napi::Env)> finish);

// The same, but work returns what else must be waited for before finish: another thread does that.
using Wait = std::function<void()>;
Napi::Promise run_async_then_wait(Napi::Env env, std::function<Wait(Pool&)> work, std::function<Napi::Value(Napi::Env)> finish);

void init_env(Napi::Env env);

}  // namespace dlrm::binding
