#include "binding/env.h"

#include <mutex>

namespace dlrm::binding {
namespace {

// The way back to one environment. Worker.terminate() may end it while the compute thread works for it: `closed` is set
// under the mutex when the environment finalizes the function, and nothing is called after that.
struct Channel {
  std::mutex mutex;
  bool closed = false;
  napi_threadsafe_function function = nullptr;
  int pending = 0;  // on the JavaScript thread only; the event loop is held open while > 0
};

struct EnvData {
  std::shared_ptr<Channel> channel;
  Napi::FunctionReference error_class;
};

struct Call {
  explicit Call(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  std::shared_ptr<Channel> channel;
  std::function<Wait(Pool&)> work;
  std::function<Napi::Value(Napi::Env)> finish;
  Napi::Promise::Deferred deferred;
  bool failed = false;
  Code code = Code::state;
  std::string message;

  template <class F>
  void run(F&& part) {
    try {
      part();
    } catch (const Error& e) {
      failed = true;
      code = e.code;
      message = e.what();
    } catch (const std::exception& e) {
      failed = true;
      code = Code::memory;
      message = e.what();
    }
  }
};

// On the JavaScript thread; env is null when it is shutting down.
void settle(napi_env raw_env, napi_value, void*, void* data) {
  std::unique_ptr<Call> call(static_cast<Call*>(data));
  if (!raw_env) return;
  Napi::Env env(raw_env);
  Napi::HandleScope scope(env);
  if (--call->channel->pending == 0) napi_unref_threadsafe_function(env, call->channel->function);
  if (call->failed)
    call->deferred.Reject(make_error(env, call->code, call->message).Value());
  else
    call->deferred.Resolve(call->finish(env));
}

void close_channel(napi_env, void* data, void*) {
  std::unique_ptr<std::shared_ptr<Channel>> channel(static_cast<std::shared_ptr<Channel>*>(data));
  std::lock_guard<std::mutex> lock((*channel)->mutex);
  (*channel)->closed = true;
}

void send_back(Call* call) {
  const std::shared_ptr<Channel> channel = call->channel;
  std::lock_guard<std::mutex> lock(channel->mutex);
  if (channel->closed || napi_call_threadsafe_function(channel->function, call, napi_tsfn_nonblocking) != napi_ok) delete call;
}

}  // namespace

void init_env(Napi::Env env) {
  auto* data = new EnvData{std::make_shared<Channel>(), {}};
  env.SetInstanceData(data);
  auto* context = new std::shared_ptr<Channel>(data->channel);
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "dlrm"), 0, 1, context, close_channel, nullptr,
                                      settle, &data->channel->function);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, data->channel->function);
}

Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<EnvData>()->error_class = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Error make_error(Napi::Env env, Code code, const std::string& message) {
  Napi::FunctionReference& error_class = env.GetInstanceData<EnvData>()->error_class;
  if (error_class.IsEmpty()) return Napi::Error::New(env, message);
  return Napi::Error(env, error_class.New({Napi::String::New(env, code_name(code)), Napi::String::New(env, message)}));
}

Napi::Promise run_async(Napi::Env env, std::function<void(Pool&)> work, std::function<Napi::Value(Napi::Env)> finish) {
  const auto whole = [work = std::move(work)](Pool& pool) {
    work(pool);
    return Wait();
  };
  return run_async_then_wait(env, whole, std::move(finish));
}

Napi::Promise run_async_then_wait(Napi::Env env, std::function<Wait(Pool&)> work, std::function<Napi::Value(Napi::Env)> finish) {
  auto* call = new Call(env);
  call->channel = env.GetInstanceData<EnvData>()->channel;
  call->work = std::move(work);
  call->finish = std::move(finish);
  if (call->channel->pending++ == 0) napi_ref_threadsafe_function(env, call->channel->function);
  Napi::Promise promise = call->deferred.Promise();
  submit([call](Pool& pool) {
    Wait wait;
    call->run([&] { wait = call->work(pool); });
    if (!wait) return send_back(call);
    submit_wait([call, wait = std::move(wait)] {
      call->run(wait);
      send_back(call);
    });
  });
  return promise;
}

}  // namespace dlrm::binding
