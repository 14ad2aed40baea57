#include "binding/run_op.h"

#include <chrono>
#include <cstring>
#include <memory>

#include "base/probe.h"
#include "base/probe_cuda.h"
#include "base/table_rows.h"
#include "binding/env.h"
#include "binding/read.h"
#include "exec/op_runner.h"

namespace dlrm::binding {
namespace {

constexpr int64_t kLeastRepeats = 10;
constexpr double kMostSeconds = 8;  // times those asked for

Isa read_isa(Napi::Value value) {
  return value.IsUndefined() ? default_isa() : isa_from_name(value.ToString().Utf8Value().c_str());
}

Device read_device(Napi::Value value) {
  return value.IsUndefined() ? Device::cpu : device_from_name(value.ToString().Utf8Value().c_str());
}

// Of this many threads; null for one, the default.
std::unique_ptr<Pool> read_pool(Napi::Value value) {
  const int64_t count = value.IsUndefined() ? 1 : read_size(value, "threads");
  if (count < 1 || count > 1024) fail(Code::argument, "threads: expected an integer from 1 to 1024");
  return count > 1 ? std::make_unique<Pool>(static_cast<int>(count)) : nullptr;
}

// Reads the call's object { op, attrs, batch, inputs, params, seed, dout, dparams, isa, device, threads, backward, lr, step,
// training, key, repeats, seconds, cold }.
// It is synchronous, so that the caller's arrays can be used in place; on a GPU they are copied, and parameters copied back.
class OpCall {
 public:
  explicit OpCall(Napi::Object call) : call_(call), env_(call.Env()), op_(call.Get("op").ToString().Utf8Value()) {
    const int64_t batch = read_size(call.Get("batch"), "batch");
    bags_.size = batch;
    MakeArgs args;
    args.name = op_;
    args.attrs = read_attrs(call.Get("attrs"));
    args.isa = read_isa(call.Get("isa"));
    args.device = device_ = read_device(call.Get("device"));
    inputs_ = list("inputs");
    for (uint32_t i = 0; i < inputs_.size(); ++i) args.inputs.push_back(input_spec(inputs_[i].As<Napi::Object>()));
    runner_ = std::make_unique<OpRunner>(op_, std::move(args), batch);
    check_bags();
    for (size_t i = 0; i < inputs_.size(); ++i) bind_input(i, inputs_[i].As<Napi::Object>());
    bind(Slot::params, "params");
    if (call.Has("seed")) runner_->init_params(static_cast<uint64_t>(read_size(call.Get("seed"), "seed")));
    bind(Slot::dout, "dout");
    bind(Slot::dparams, "dparams");
    pool_ = read_pool(call.Get("threads"));
    if (call.Has("lr") || call.Has("step"))
      runner_->set_step(call.Has("lr") ? read_number(call.Get("lr"), "lr") : 0, call.Has("step") ? read_size(call.Get("step"), "step") : 1);
    const bool training = call.Get(call.Has("training") ? "training" : "backward").ToBoolean();
    runner_->set_training(training, call.Has("key") ? static_cast<uint64_t>(read_size(call.Get("key"), "key")) : 0);
  }

  Napi::Object run() {
    const bool backward = call_.Get("backward").ToBoolean();
    const Napi::Value repeats_value = call_.Get("repeats");
    const int64_t repeats = repeats_value.IsUndefined() ? 1 : read_size(repeats_value, "repeats");
    runner_->prepare(pool_.get());
    if (backward) runner_->forward(pool_.get());
    const std::vector<double> times = time_repeats(repeats, backward);
    for (const auto& [to, view] : copied_params_) memcpy(to, view.data, bytes(view));
    auto nanoseconds = Napi::Float64Array::New(env_, times.size());
    std::copy(times.begin(), times.end(), nanoseconds.Data());
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
  // As many as asked for, but no more when `seconds` have passed since the first: that one finds memory untouched. Fewer than
  // kLeastRepeats say little, unless they take much longer than that.
  std::vector<double> time_repeats(int64_t repeats, bool backward) {
    using Clock = std::chrono::steady_clock;
    const Napi::Value seconds_value = call_.Get("seconds");
    const double seconds = seconds_value.IsUndefined() ? 0 : read_number(seconds_value, "seconds");
    const bool cold = call_.Get("cold").ToBoolean(), on_device = device_ == Device::cuda;
    const auto sweep = cold && !on_device ? std::make_unique<CacheSweep>() : nullptr;
    const auto device_sweep = cold && on_device ? std::make_unique<CudaCacheSweep>() : nullptr;
    const auto elapsed = [](Clock::time_point since) { return std::chrono::duration<double, std::nano>(Clock::now() - since).count(); };
    auto begin = Clock::now();
    std::vector<double> times;
    const auto goes_on = [&](int64_t i) {
      return i <= 1 || seconds == 0 || elapsed(begin) < 1e9 * seconds * (i < kLeastRepeats ? kMostSeconds : 1);
    };
    for (int64_t i = 0; i < repeats && goes_on(i); ++i) {
      if (i == 1) begin = Clock::now();
      if (sweep) sweep->run(pool_.get());
      if (device_sweep) device_sweep->run();
      const auto start = Clock::now();
      if (backward)
        runner_->backward(pool_.get());
      else
        runner_->forward(pool_.get());
      times.push_back(on_device ? runner_->device_ns() : elapsed(start));
    }
    return times;
  }

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

  void check_bags() {
    if (bags_.tables.empty()) return;
    InputSpec spec;
    spec.rows = runner_->op().bag_rows;
    for (size_t t = 0; t < spec.rows.size(); ++t) {
      spec.table_names.push_back(std::to_string(t));
      if (!spec.rows[t]) spec.rows[t] = INT32_MAX;  // not read
    }
    bags_.check(spec, false);
  }

  void bind_input(size_t i, Napi::Object input) {
    if (input.Has("bags")) return runner_->bind_bags(i, device_ == Device::cpu ? bags_.bags() : copied_bags());
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
    const Span<void> data = read_in_place(value, view.dtype, what);
    if (static_cast<int64_t>(data.size) != view.rows * view.stride)
      fail(Code::shape, "%s: expected %lld x %lld elements, received %zu", what.c_str(), static_cast<long long>(view.rows),
           static_cast<long long>(view.stride), data.size);
    if (device_ == Device::cuda && runner_->view(slot, i)) {
      memcpy(runner_->view(slot, i).data, data.data, bytes(view));
      if (slot == Slot::params) copied_params_.emplace_back(data.data, runner_->view(slot, i));
      return;
    }
    view.data = data.data;
    runner_->bind(slot, i, view);
  }

  static size_t bytes(const View& view) { return static_cast<size_t>(view.rows * view.stride * dtype_bytes(view.dtype)); }

  template <class T>
  const T* copied(const T* from, int64_t count) {
    if (!from) return nullptr;
    const size_t size = static_cast<size_t>(count) * sizeof(T);
    void* to = managed_.bytes(size ? size : 1);
    if (size) memcpy(to, from, size);
    return static_cast<const T*>(to);
  }

  const Bags& copied_bags() {
    const Bags& from = bags_.bags();
    for (int64_t t = 0; t < from.tables; ++t) {
      offsets_.push_back(copied(from.offsets[t], bags_.size + 1));
      indices_.push_back(copied(from.indices[t], from.counts[t]));
      weights_.push_back(from.weights ? copied(from.weights[t], from.counts[t]) : nullptr);
    }
    copied_bags_ = {from.tables, offsets_.data(), indices_.data(), from.weights ? weights_.data() : nullptr, from.counts};
    return copied_bags_;
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
      const auto count = static_cast<int64_t>(bags_.tables[t].indices.size()) * runner_->op().dlookup_cols;
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
  // On a GPU
  Device device_ = Device::cpu;
  ManagedMemory managed_;
  std::vector<const int32_t*> offsets_, indices_;
  std::vector<const float*> weights_;
  Bags copied_bags_;
  std::vector<std::pair<void*, View>> copied_params_;
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

// probe(kind, { isa, threads, bytes, rowBytes, seconds }): base/probe.h; of kind copy base/probe_cuda.h.
Napi::Value run_probe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsString() || !info[1].IsObject()) fail(Code::argument, "probe: expected a kind and an object");
    const std::string kind = info[0].ToString().Utf8Value();
    const auto options = info[1].As<Napi::Object>();
    ProbeSpec spec;
    if (options.Has("bytes")) spec.bytes = read_size(options.Get("bytes"), "bytes");
    if (options.Has("seconds")) spec.seconds = read_number(options.Get("seconds"), "seconds");
    if (kind == "copy") return Napi::Number::New(info.Env(), cuda_copy_rate(spec.bytes, spec.seconds));
    if (kind == "fma")
      spec.kind = ProbeKind::fma;
    else if (kind == "read")
      spec.kind = ProbeKind::read;
    else if (kind == "gather")
      spec.kind = ProbeKind::gather;
    else if (kind == "update")
      spec.kind = ProbeKind::update;
    else
      fail(Code::argument, "probe: expected fma, read, gather, update or copy, received \"%s\"", kind.c_str());
    spec.isa = read_isa(options.Get("isa"));
    if (options.Has("rowBytes")) spec.row_bytes = read_size(options.Get("rowBytes"), "rowBytes");
    const std::unique_ptr<Pool> pool = read_pool(options.Get("threads"));
    return Napi::Number::New(info.Env(), probe(spec, pool.get()));
  });
}

// tableRows(dtype, width, rows, from, to), tableFloats(...): base/table_rows.h.
static Napi::Value convert_rows(const Napi::CallbackInfo& info, bool to_floats) {
  return guarded(info.Env(), [&] {
    const DType dtype = table_dtype("embedding_bag", info[0].ToString().Utf8Value());
    const int64_t cols = read_size(info[1], "width"), rows = read_size(info[2], "rows");
    const Span<float> floats = read_floats(info[to_floats ? 4 : 3], "weight");
    const Span<void> table = read_in_place(info[to_floats ? 3 : 4], dtype, "weight");
    const int64_t row = row_elements(dtype, cols);
    if (cols < 1 || rows < 0 || static_cast<double>(rows) * static_cast<double>(row) > 0x1p52 ||
        static_cast<int64_t>(floats.size) != rows * cols || static_cast<int64_t>(table.size) != rows * row)
      fail(Code::shape, "[embedding_bag] weight: expected %lld x %lld elements", static_cast<long long>(rows), static_cast<long long>(cols));
    const View view{table.data, dtype, rows, cols, row};
    if (to_floats)
      load_span(view, 0, rows * cols, floats.data);
    else
      store_span(view, 0, rows * cols, floats.data);
    return info.Env().Undefined();
  });
}
Napi::Value table_rows(const Napi::CallbackInfo& info) { return convert_rows(info, false); }
Napi::Value table_floats(const Napi::CallbackInfo& info) { return convert_rows(info, true); }

// ops(device | undefined): those that have kernels for it.
Napi::Value op_names(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const bool on_device = read_device(info[0]) == Device::cuda;
    auto names = Napi::Array::New(info.Env());
    for (const OpDef& def : registry())
      if (!on_device || cuda_plugin().kernels(def.name)) names[names.Length()] = def.name;
    return names;
  });
}

}  // namespace dlrm::binding
