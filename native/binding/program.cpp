#include "binding/program.h"

#include <memory>
#include <mutex>

#include "base/table_rows.h"
#include "binding/env.h"
#include "binding/read.h"
#include "exec/program.h"

namespace dlrm::binding {
namespace {

// Batches are reused from call to call, so that a step allocates nothing once it has seen the largest batch.
class BatchPool {
 public:
  std::shared_ptr<Batch> take() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return std::make_shared<Batch>();
    auto batch = std::move(free_.back());
    free_.pop_back();
    return batch;
  }
  void give(std::shared_ptr<Batch> batch) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.size() < 4) free_.push_back(std::move(batch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Batch>> free_;
};

struct Shared {
  Shared(const GraphSpec& spec, Isa isa, uint64_t seed, Device device) : program(spec, isa, seed, device) {}
  Program program;
  BatchPool batches;
};

Napi::Float32Array to_array(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

void prepare(Batch& batch, const Program& program, bool need_labels, Pool* pool) {
  batch.check(program.inputs(), need_labels, pool);
  batch.derive(program.inputs(), pool);
}

class ProgramWrap : public Napi::ObjectWrap<ProgramWrap> {
 public:
  // new Program(graph, isa | undefined, seed, device | undefined)
  explicit ProgramWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ProgramWrap>(info) {
    guarded(info.Env(), [&] {
      const Isa isa = info[1].IsString() ? isa_from_name(info[1].As<Napi::String>().Utf8Value().c_str()) : default_isa();
      const Device device = info[3].IsUndefined() ? Device::cpu : device_from_name(info[3].ToString().Utf8Value().c_str());
      shared_ = std::make_shared<Shared>(read_graph(info[0]), isa, static_cast<uint64_t>(read_size(info[2], "seed")), device);
    });
    account(info.Env());
  }

  void Finalize(Napi::Env env) override { Napi::MemoryManagement::AdjustExternalMemory(env, -accounted_); }

  // [{ name, dtype, bytes, shape, sparse, buffer, group, state }]
  Napi::Value tensors(const Napi::CallbackInfo& info) {
    auto list = Napi::Array::New(info.Env());
    uint32_t i = 0;
    shared_->program.each_tensor([&](const Tensor& tensor) {
      auto item = Napi::Object::New(info.Env());
      auto shape = Napi::Array::New(info.Env(), tensor.spec.dims.size());
      for (size_t d = 0; d < tensor.spec.dims.size(); ++d) shape[static_cast<uint32_t>(d)] = static_cast<double>(tensor.spec.dims[d]);
      item["name"] = tensor.spec.name;
      item["dtype"] = dtype_name(tensor.view.dtype);
      item["bytes"] = static_cast<double>(tensor.bytes());
      item["shape"] = shape;
      item["sparse"] = tensor.spec.sparse;
      item["buffer"] = tensor.spec.buffer;
      item["group"] = tensor.group;
      item["state"] = tensor.is_state;
      list[i++] = item;
    });
    return list;
  }

  // read(index, start, Float32Array), write(index, start, Float32Array)
  Napi::Value read(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const Span<float> to = read_floats(info[2], "[state] data");
      shared_->program.read(index_of(info), read_size(info[1], "start"), static_cast<int64_t>(to.size), to.data);
      return info.Env().Undefined();
    });
  }
  Napi::Value write(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const Span<float> from = read_floats(info[2], "[state] data");
      shared_->program.write(index_of(info), read_size(info[1], "start"), static_cast<int64_t>(from.size), from.data);
      return info.Env().Undefined();
    });
  }

  // readBytes(index, start, Uint8Array), writeBytes(index, start, Uint8Array)
  Napi::Value read_bytes(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const Span<void> to = read_in_place(info[2], DType::int8, "[state] data");
      shared_->program.read_bytes(index_of(info), read_size(info[1], "start"), static_cast<int64_t>(to.size), static_cast<uint8_t*>(to.data));
      return info.Env().Undefined();
    });
  }
  Napi::Value write_bytes(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const Span<void> from = read_in_place(info[2], DType::int8, "[state] data");
      shared_->program.write_bytes(index_of(info), read_size(info[1], "start"), static_cast<int64_t>(from.size),
                                   static_cast<const uint8_t*>(from.data));
      return info.Env().Undefined();
    });
  }

  // quantise("int8" | "int4") -> Promise
  Napi::Value quantise(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const DType dtype = table_dtype("quantize", info[0].ToString().Utf8Value());
      return run_async(
          info.Env(), [shared = shared_, dtype](Pool& pool) { shared->program.quantise(dtype, &pool); },
          [](Napi::Env env) { return env.Undefined(); });
    });
  }

  // prune([{ tensors, fraction }]) -> Promise; zeros() -> how many each parameter has
  Napi::Value prune(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      std::vector<PruneSet> sets;
      const auto list = info[0].As<Napi::Array>();
      for (uint32_t i = 0; i < list.Length(); ++i) {
        const auto item = list.Get(i).As<Napi::Object>();
        PruneSet set{{}, read_number(item.Get("fraction"), "[prune] fraction")};
        for (const double index : read_numbers(item.Get("tensors"), "[prune] tensors")) set.tensors.push_back(static_cast<int64_t>(index));
        sets.push_back(std::move(set));
      }
      return run_async(
          info.Env(), [shared = shared_, sets](Pool& pool) { shared->program.prune(sets, &pool); },
          [](Napi::Env env) { return env.Undefined(); });
    });
  }
  Napi::Value zeros(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const std::vector<int64_t> counts = shared_->program.zeros();
      auto list = Napi::Array::New(info.Env(), counts.size());
      for (size_t i = 0; i < counts.size(); ++i) list[static_cast<uint32_t>(i)] = static_cast<double>(counts[i]);
      return list;
    });
  }

  // compile([{ group, attrs }], maxBatch, clipNorm)
  Napi::Value compile(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      shared_->program.compile(read_rules(info[0]), read_size(info[1], "[compile] maxBatch"), read_number(info[2], "[compile] clipNorm"));
      account(info.Env());
      return info.Env().Undefined();
    });
  }

  // step(size, dense, flat, labels, weights, learning rates, number) -> Promise<loss>
  Napi::Value step(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto batch = taken_batch(info);
      const std::vector<double> rates = read_numbers(info[5], "[step] learning rates");
      const int64_t number = read_size(info[6], "[step] number");
      auto loss = std::make_shared<double>();
      return run_async_then_wait(
          info.Env(),
          [shared = shared_, batch, rates, number, loss](Pool& pool) -> Wait {
            prepare(*batch, shared->program, true, &pool);
            auto pending = std::make_shared<PendingLoss>(shared->program.start_step(*batch, rates, number, &pool));
            shared->batches.give(batch);
            if (shared->program.device() == Device::cuda) return [shared, pending, loss] { *loss = pending->wait(); };
            *loss = pending->wait();
            return {};
          },
          [loss](Napi::Env env) { return Napi::Number::New(env, *loss); });
    });
  }

  // predict(size, dense, flat, labels, weights) -> Promise<Float32Array>
  Napi::Value predict(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto batch = taken_batch(info);
      auto out = std::make_shared<std::vector<float>>(batch->size);
      return run_async(
          info.Env(),
          [shared = shared_, batch, out](Pool& pool) {
            prepare(*batch, shared->program, false, &pool);
            shared->program.predict(*batch, out->data(), &pool);
            shared->batches.give(batch);
          },
          [out](Napi::Env env) { return to_array(env, *out); });
    });
  }

  Napi::Value predict_sync(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      read_batch(info, 0, sync_batch_);
      auto out = Napi::Float32Array::New(info.Env(), static_cast<size_t>(sync_batch_.size));
      const auto work = [&](Pool* pool) {
        prepare(sync_batch_, shared_->program, false, pool);
        shared_->program.predict(sync_batch_, out.Data(), pool);
      };
      sync_batch_.size > 1 ? with_idle_pool(work) : work(nullptr);
      return out;
    });
  }

  // evaluate(size, dense, flat, labels, weights) -> Promise<{ loss, predictions }>
  Napi::Value evaluate(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto batch = taken_batch(info);
      auto out = std::make_shared<std::vector<float>>(batch->size);
      auto loss = std::make_shared<double>();
      return run_async(
          info.Env(),
          [shared = shared_, batch, out, loss](Pool& pool) {
            prepare(*batch, shared->program, true, &pool);
            *loss = shared->program.evaluate(*batch, out->data(), &pool);
            shared->batches.give(batch);
          },
          [out, loss](Napi::Env env) {
            auto result = Napi::Object::New(env);
            result["loss"] = Napi::Number::New(env, *loss);
            result["predictions"] = to_array(env, *out);
            return result;
          });
    });
  }

 private:
  static size_t index_of(const Napi::CallbackInfo& info) { return static_cast<size_t>(read_size(info[0], "[state] index")); }

  std::shared_ptr<Batch> taken_batch(const Napi::CallbackInfo& info) {
    auto batch = shared_->batches.take();
    read_batch(info, 0, *batch);
    return batch;
  }

  // Tells the garbage collector what this small object keeps alive.
  void account(Napi::Env env) {
    int64_t bytes = 0;
    if (shared_->program.device() == Device::cpu) shared_->program.each_tensor([&](const Tensor& tensor) { bytes += tensor.bytes(); });
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes - accounted_);
    accounted_ = bytes;
  }

  std::shared_ptr<Shared> shared_;
  Batch sync_batch_;
  int64_t accounted_ = 0;
};

}  // namespace

Napi::Function program_class(Napi::Env env) {
  using P = ProgramWrap;
  return P::DefineClass(env, "Program",
                        {P::InstanceMethod<&P::tensors>("tensors"), P::InstanceMethod<&P::read>("read"),
                         P::InstanceMethod<&P::write>("write"), P::InstanceMethod<&P::prune>("prune"), P::InstanceMethod<&P::zeros>("zeros"),
                         P::InstanceMethod<&P::read_bytes>("readBytes"), P::InstanceMethod<&P::write_bytes>("writeBytes"),
                         P::InstanceMethod<&P::quantise>("quantise"),
                         P::InstanceMethod<&P::compile>("compile"),
                         P::InstanceMethod<&P::step>("step"), P::InstanceMethod<&P::predict>("predict"),
                         P::InstanceMethod<&P::predict_sync>("predictSync"), P::InstanceMethod<&P::evaluate>("evaluate")});
}

}  // namespace dlrm::binding
