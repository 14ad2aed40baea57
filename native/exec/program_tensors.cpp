// The parameters and states of a program: reading, writing, quantising, pruning.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/table_rows.h"
#include "exec/execution.h"
#include "exec/init.h"
#include "exec/prune.h"

namespace dlrm {
namespace {

void check_span(const Tensor& tensor, int64_t size, int64_t start, int64_t count) {
  if (start < 0 || count < 0 || start > size || count > size - start)
    fail(Code::shape, "[state] %s has %lld elements, received start %lld and count %lld", tensor.spec.name.c_str(),
         static_cast<long long>(size), static_cast<long long>(start), static_cast<long long>(count));
}

constexpr int64_t kPieceBytes = 4 << 20;

// A tensor where host code can reach it: its own memory, or a copy of a device's.
class OnHost {
 public:
  // `zero`: it is, so there is nothing to read.
  OnHost(const Tensor& tensor, const Stream& stream, bool zero = false) : tensor_(tensor), stream_(stream), view(tensor.view) {
    if (!stream.on_device()) return;
    copy_.reserve(bytes());
    view.data = copy_.data();
    if (!zero) stream.copy_and_wait(copy_.data(), tensor.view.data, bytes());
  }
  void store() const {
    if (copy_.data()) stream_.copy_and_wait(tensor_.view.data, copy_.data(), bytes());
  }

 private:
  size_t bytes() const { return static_cast<size_t>(tensor_.bytes()); }
  const Tensor& tensor_;
  const Stream& stream_;
  Buffer copy_;

 public:
  View view;
};

// fn(rows of the tensor as host memory, place in them, count, numbers before) for its numbers [start, start + count), some rows
// at a time. `changes`: fn writes.
template <class F>
void each_piece(const Tensor& tensor, const Stream& stream, int64_t start, int64_t count, bool changes, F&& fn) {
  const View& all = tensor.view;
  if (!stream.on_device()) return fn(all, start, count, int64_t{0});
  const int64_t row = row_bytes(all.dtype, all.cols), rows = std::max<int64_t>(1, kPieceBytes / row);
  std::vector<char> memory;
  for (int64_t done = 0; done < count;) {
    const int64_t first = (start + done) / all.cols, last = std::min((start + count - 1) / all.cols, first + rows - 1);
    const int64_t at = start + done - first * all.cols, n = std::min(count - done, (last - first + 1) * all.cols - at);
    const auto bytes = static_cast<size_t>((last - first + 1) * row);
    char* const on_device = static_cast<char*>(all.data) + first * row;
    memory.resize(bytes);
    stream.copy_and_wait(memory.data(), on_device, bytes);
    fn(View{memory.data(), all.dtype, last - first + 1, all.cols, all.stride}, at, n, done);
    if (changes) stream.copy_and_wait(on_device, memory.data(), bytes);
    done += n;
  }
}

void quantise_table(Tensor& tensor, DType dtype, const Stream& stream, Pool* pool) {
  const OnHost source(tensor, stream);
  const View& from = source.view;
  Buffer memory(static_cast<size_t>(from.rows * row_bytes(dtype, from.cols)));
  View table = {memory.data(), dtype, from.rows, from.cols, row_elements(dtype, from.cols)};
  const int64_t chunks = (from.rows * from.cols + 65535) / 65536;
  for_chunks(pool, chunks, static_cast<double>(tensor.size()), [&](int64_t chunk) {
    std::vector<float> row(static_cast<size_t>(from.cols));
    const Range range = chunk_range(from.rows, chunks, chunk);
    for (int64_t r = range.begin; r < range.end; ++r) {
      load_row(from, r, row.data());
      store_row(table, r, row.data());
    }
  });
  if (stream.on_device()) {
    Buffer there(memory.size(), stream.memory());
    stream.copy_and_wait(there.data(), memory.data(), memory.size());
    memory = std::move(there);
    table.data = memory.data();
  }
  tensor.memory = std::move(memory);
  tensor.view = table;
  tensor.spec.dtype = dtype;
}

}  // namespace

void Program::add_param(const ParamSpec& spec, bool is_state, std::vector<std::unique_ptr<Tensor>>& to, Pool* pool) {
  auto tensor = std::make_unique<Tensor>();
  tensor->spec = spec;
  tensor->is_state = is_state;
  const int64_t rows = param_rows(spec), cols = param_cols(spec);
  tensor->memory = Buffer(static_cast<size_t>(rows * row_bytes(spec.dtype, cols)), stream_.memory());
  tensor->view = {tensor->memory.data(), spec.dtype, rows, cols, row_elements(spec.dtype, cols)};
  if (spec.init.kind != Init::zeros) {  // fresh memory is zero
    const OnHost host(*tensor, stream_, true);
    init_parameter(spec, host.view, seed_, to.size(), pool);
    host.store();
  }
  to.push_back(std::move(tensor));
}

std::vector<const Tensor*> Program::tensors() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<const Tensor*> all;
  for (const auto& tensor : params_) all.push_back(tensor.get());
  for (const auto& tensor : states_) all.push_back(tensor.get());
  return all;
}

void Program::each_tensor(const std::function<void(const Tensor&)>& fn) const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& tensor : params_) fn(*tensor);
  for (const auto& tensor : states_) fn(*tensor);
}

void Program::read(size_t index, int64_t start, int64_t count, float* to) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.size(), start, count);
  each_piece(of, stream_, start, count, false,
             [&](const View& rows, int64_t at, int64_t n, int64_t before) { load_span(rows, at, n, to + before); });
}

void Program::write(size_t index, int64_t start, int64_t count, const float* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.size(), start, count);
  each_piece(of, stream_, start, count, true,
             [&](const View& rows, int64_t at, int64_t n, int64_t before) { store_span(rows, at, n, from + before); });
  forget_packed();
}

void Program::read_bytes(size_t index, int64_t start, int64_t count, uint8_t* to) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.bytes(), start, count);
  stream_.copy_and_wait(to, of.memory.data() + start, static_cast<size_t>(count));
}

void Program::write_bytes(size_t index, int64_t start, int64_t count, const uint8_t* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.bytes(), start, count);
  stream_.copy_and_wait(of.memory.data() + start, from, static_cast<size_t>(count));
  forget_packed();
}

const Tensor& Program::tensor(size_t index) const {
  return index < params_.size() ? *params_[index] : *states_.at(index - params_.size());
}

void Program::quantise(DType dtype, Pool* pool) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!is_quantised(dtype)) fail(Code::argument, "[quantize] tables: expected int8 or int4, received %s", dtype_name(dtype));
  bool any = false;
  for (const auto& param : params_) {
    any = any || param->spec.quantisable;
    if (is_quantised(param->view.dtype))
      fail(Code::state, "[quantize] %s is of %s already", param->spec.name.c_str(), dtype_name(param->view.dtype));
  }
  if (!any) fail(Code::state, "[quantize] the model has no tables that can be quantised");
  updates_.clear();
  states_.clear();
  max_batch_ = 0;
  for (auto& execution : executions_) execution.reset();  // recorded launches have the old tables
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    for (size_t i = 0; i < node.params.size(); ++i) {
      Tensor& tensor = *params_[node.params[i]];
      if (!tensor.spec.quantisable) continue;
      quantise_table(tensor, dtype, stream_, pool);
      node_params_[n][i] = tensor.view;
      node.op->params[i].dtype = dtype;
    }
  }
}

void Program::prune(const std::vector<PruneSet>& sets, Pool* pool) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const PruneSet& set : sets) {
    if (!(set.fraction >= 0 && set.fraction <= 1)) fail(Code::argument, "[prune] expected fractions from 0 to 1, received %g", set.fraction);
    for (const int64_t i : set.tensors)
      if (i < 0 || i >= static_cast<int64_t>(params_.size()) || params_[static_cast<size_t>(i)]->spec.buffer)
        fail(Code::argument, "[prune] tensor %lld is no trained parameter", static_cast<long long>(i));
      else if (const Tensor& tensor = *params_[static_cast<size_t>(i)]; tensor.view.dtype != DType::f32)
        fail(Code::argument, "[prune] %s: expected float32, tables of %s are not pruned", tensor.spec.name.c_str(), dtype_name(tensor.view.dtype));
  }
  for (const PruneSet& set : sets) {
    std::vector<OnHost> hosts;
    std::vector<View> tensors;
    int64_t total = 0;
    for (const int64_t i : set.tensors) {
      hosts.emplace_back(*params_[static_cast<size_t>(i)], stream_);
      tensors.push_back(hosts.back().view);
      total += params_[static_cast<size_t>(i)]->size();
    }
    dlrm::prune(tensors, std::llround(set.fraction * static_cast<double>(total)), pool);
    for (const OnHost& host : hosts) host.store();
  }
  forget_packed();
}

std::vector<int64_t> Program::zeros() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<int64_t> counts;
  for (const auto& tensor : params_) counts.push_back(count_zeros(OnHost(*tensor, stream_).view));
  return counts;
}

}  // namespace dlrm
