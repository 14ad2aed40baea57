#include "binding/run_op.h"

#include <chrono>
#include <memory>

#include "binding/env.h"
#include "binding/read.h"
#include "exec/op_runner.h"

namespace dlrm::binding {
namespace {

// Reads the call's object { op, attrs, batch, inputs, params, dout, dparams, isa, threads, backward, lr, step, repeats }.
// It is synchronous, so that the caller's arrays can be used in place.
class OpCall {
 public:
  explicit OpCall(Napi::Object call) : call_(call), env_(call.Env()), op_(call.Get("op").ToString().Utf8Value()) {
    const int64_t batch = read_size(call.Get("batch"), "batch");
    bags_.size = batch;
    MakeArgs args;
    args.name = op_;
    args.attrs = read_attrs(call.Get("attrs"));
    const Napi::Value isa = call.Get("isa");
    args.isa = isa.IsUndefined() ? default_isa() : isa_from_name(isa.ToString().Utf8Value().c_str());
    inputs_ = list("inputs");
    for (uint32_t i = 0; i < inputs_.size(); ++i) args.inputs.push_back(input_spec(inputs_[i].As<Napi::Object>()));
    check_bags(args.attrs);
    runner_ = std::make_unique<OpRunner>(op_, std::move(args), batch);
    for (size_t i = 0; i < inputs_.size(); ++i) bind_input(i, inputs_[i].As<Napi::Object>());
    bind(Slot::params, "params");
    bind(Slot::dout, "dout");
    bind(Slot::dparams, "dparams");
    const Napi::Value threads = call.Get("threads");
    const int64_t count = threads.IsUndefined() ? 1 : read_size(threads, "threads");
    if (count < 1 || count > 1024) fail(Code::argument, "threads: expected an integer from 1 to 1024");
    if (count > 1) pool_ = std::make_unique<Pool>(static_cast<int>(count));
    if (call.Has("lr")) runner_->set_step(read_number(call.Get("lr"), "lr"), call.Has("step") ? read_size(call.Get("step"), "step") : 1);
  }

  Napi::Object run() {
    const bool backward = call_.Get("backward").ToBoolean();
    const Napi::Value repeats_value = call_.Get("repeats");
    const int64_t repeats = repeats_value.IsUndefined() ? 1 : read_size(repeats_value, "repeats");
    runner_->prepare(pool_.get());
    if (backward) runner_->forward(pool_.get());
    auto nanoseconds = Napi::Float64Array::New(env_, static_cast<size_t>(repeats));
    for (int64_t i = 0; i < repeats; ++i) {
      const auto start = std::chrono::steady_clock::now();
      if (backward)
        runner_->backward(pool_.get());
      else
        runner_->forward(pool_.get());
      const auto end = std::chrono::steady_clock::now();
      nanoseconds[static_cast<size_t>(i)] = static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count());
    }
    const Cost cost = runner_->cost(backward);
    auto result = Napi::Object::New(env_);
    result["outputs"] = arrays(Slot::out);
    result["saved"] = arrays(Slot::saved);
    if (backward) {
      result["din"] = arrays(Slot::din);
      result["dparams"] = arrays(Slot::dparams);
      if (const float* dlookup = runner_->dlookup()) result["dweights"] = per_table(dlookup);
    }
    result["nanoseconds"] = nanoseconds;
    result["flops"] = cost.flops;
    result["bytes"] = cost.bytes;
    return result;
  }

 private:
  std::vector<Napi::Value> list(const char* name) {
    std::vector<Napi::Value> items;
    const Napi::Value value = call_.Get(name);
    if (!value.IsArray()) return items;
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) items.push_back(array.Get(i));
    return items;
  }

  // { data, cols } is a matrix; { bags: [offsets, indices, weights, ...] } the bags of an op, at most one input.
  ValueSpec input_spec(Napi::Object input) {
    ValueSpec spec;
    if (input.Has("bags")) {
      if (!bags_.tables.empty()) fail(Code::argument, "[%s] inputs: expected at most one of bags", op_.c_str());
      const auto flat = input.Get("bags").As<Napi::Array>();
      read_tables(flat, bags_);
      spec.tables = static_cast<int64_t>(bags_.tables.size());
      return spec;
    }
    spec.cols = read_size(input.Get("cols"), "cols");
    if (input.Get("data").IsTypedArray() && input.Get("data").As<Napi::TypedArray>().TypedArrayType() == napi_int32_array) spec.dtype = DType::i32;
    if (input.Has("rows")) spec.rows = read_size(input.Get("rows"), "rows");
    return spec;
  }

  void check_bags(const Attrs& attrs) {
    if (bags_.tables.empty()) return;
    InputSpec spec;
    spec.rows = attrs.sizes(op_.c_str(), "rows");
    for (size_t t = 0; t < spec.rows.size(); ++t) spec.table_names.push_back(std::to_string(t));
    bags_.check(spec, false);
  }

  void bind_input(size_t i, Napi::Object input) {
    if (input.Has("bags")) return runner_->bind_bags(i, bags_.bags());
    bind_array(Slot::in, i, input.Get("data"));
  }

  void bind(Slot slot, const char* name) {
    const std::vector<Napi::Value> items = list(name);
    if (items.size() > runner_->count(slot))
      fail(Code::shape, "[%s] %s: expected at most %zu arrays, received %zu", op_.c_str(), name, runner_->count(slot), items.size());
    for (size_t i = 0; i < items.size(); ++i) bind_array(slot, i, items[i]);
  }

  void bind_array(Slot slot, size_t i, Napi::Value value) {
    View view = runner_->layout(slot, i);
    const std::string what = "[" + op_ + "] argument " + std::to_string(i);
    const bool ints = view.dtype == DType::i32;
    const Span<float> data = ints ? read_ints_in_place(value, what) : read_floats(value, what);
    if (static_cast<int64_t>(data.size) != view.rows * view.cols)
      fail(Code::shape, "%s: expected %lld x %lld elements, received %zu", what.c_str(), static_cast<long long>(view.rows),
           static_cast<long long>(view.cols), data.size);
    view.data = data.data;
    runner_->bind(slot, i, view);
  }

  Napi::Value array(const View& view) {
    if (!view) return env_.Null();
    const auto count = static_cast<size_t>(view.rows * view.cols);
    if (view.dtype == DType::i32) {
      auto copy = Napi::Int32Array::New(env_, count);
      std::copy(view.i32(), view.i32() + count, copy.Data());
      return copy;
    }
    auto copy = Napi::Float32Array::New(env_, count);
    std::copy(view.f32(), view.f32() + count, copy.Data());
    return copy;
  }

  Napi::Array arrays(Slot slot) {
    auto list = Napi::Array::New(env_);
    for (size_t i = 0; i < runner_->count(slot); ++i) list[static_cast<uint32_t>(i)] = array(runner_->view(slot, i));
    return list;
  }

  Napi::Array per_table(const float* values) {
    auto list = Napi::Array::New(env_);
    for (size_t t = 0; t < bags_.tables.size(); ++t) {
      const auto count = static_cast<int64_t>(bags_.tables[t].indices.size());
      list[static_cast<uint32_t>(t)] = array({const_cast<float*>(values), DType::f32, count, 1, 1});
      values += count;
    }
    return list;
  }

  Napi::Object call_;
  Napi::Env env_;
  const std::string op_;
  Batch bags_;
  std::vector<Napi::Value> inputs_;
  std::unique_ptr<OpRunner> runner_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace

Napi::Value run_op(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsObject()) fail(Code::argument, "runOp: expected an object");
    return OpCall(info[0].As<Napi::Object>()).run();
  });
}

Napi::Value op_names(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env());
  for (const OpDef& def : registry()) names[names.Length()] = def.name;
  return names;
}

}  // namespace dlrm::binding
