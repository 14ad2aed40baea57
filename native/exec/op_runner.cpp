#include "exec/op_runner.h"

#include <cstring>

#include "base/error.h"
#include "base/table_rows.h"
#include "exec/init.h"

namespace dlrm {
namespace {

const char* const kSlotNames[kSlotCount] = {"input", "output", "parameter", "saved", "dout", "din", "dparam"};

long long ll(int64_t n) { return static_cast<long long>(n); }

}  // namespace

View HeapMemory::matrix(Slot, int64_t rows, int64_t cols, DType dtype) {
  return {bytes(static_cast<size_t>(rows * row_bytes(dtype, cols))), dtype, rows, cols, row_elements(dtype, cols)};
}

void* HeapMemory::bytes(size_t bytes) {
  buffers_.emplace_back(bytes ? bytes : 1);
  return buffers_.back().data();
}

ManagedMemory::~ManagedMemory() {
  for (void* p : allocations_) cuda_plugin().release(p);
}

View ManagedMemory::matrix(Slot, int64_t rows, int64_t cols, DType dtype) {
  return {bytes(static_cast<size_t>(rows * row_bytes(dtype, cols))), dtype, rows, cols, row_elements(dtype, cols)};
}

void* ManagedMemory::bytes(size_t bytes) {
  void* p = nullptr;
  cuda_check(cuda_plugin().allocate_managed(&p, bytes), "memory of an op");
  allocations_.push_back(p);
  // Zeros of the device's own: pages that the host has touched would travel there, gigabytes of them.
  constexpr size_t kLarge = 16 << 20;
  if (bytes < kLarge) return memset(p, 0, bytes);
  cuda_check(cuda_plugin().fill(p, 0, bytes, nullptr), "memory of an op");
  cuda_check(cuda_plugin().synchronise(nullptr), "memory of an op");
  return p;
}

OpRunner::OpRunner(const std::string& op, MakeArgs args, int64_t batch, OpMemory* memory)
    : device_(args.device),
      memory_(memory                          ? *memory
              : args.device == Device::cuda ? static_cast<OpMemory&>(managed_)
                                            : heap_),
      inputs_(args.inputs),
      name_(op) {
  op_ = make_op(op, std::move(args));
  if (device_ == Device::cuda) cuda_check(cuda_plugin().create_stream(&run_.stream), "a stream");
  for (CudaEvent& event : events_)
    if (device_ == Device::cuda) cuda_check(cuda_plugin().create_event(&event, true), "an event");
  run_.batch = batch;
  run_.training = true;
  const size_t counts[kSlotCount] = {inputs_.size(),      op_->outputs.size(), op_->params.size(), op_->saved.size(),
                                     op_->outputs.size(), inputs_.size(),      op_->params.size()};
  for (int slot = 0; slot < kSlotCount; ++slot) views_[slot].resize(counts[slot]);
  values_.resize(inputs_.size());
}

OpRunner::~OpRunner() {
  if (run_.stream) cuda_plugin().destroy_stream(run_.stream);
  for (CudaEvent event : events_)
    if (event) cuda_plugin().destroy_event(event);
}

OpRunner::Shape OpRunner::shape(Slot slot, size_t i) const {
  if (slot == Slot::params || slot == Slot::dparams)
    return {param_rows(op_->params[i]), param_cols(op_->params[i]), op_->params[i].dtype};
  const ValueSpec& spec = slot == Slot::in || slot == Slot::din ? inputs_[i]
                          : slot == Slot::saved                 ? op_->saved[i]
                                                                : op_->outputs[i];
  const int64_t rows = spec.rows == kPerExample ? run_.batch : spec.rows == kPerLookup ? lookups() : spec.rows;
  return {rows, spec.cols, spec.dtype};
}

int64_t OpRunner::lookups() const {
  int64_t lookups = 0;
  for (const Value& value : values_)
    if (value.bags) lookups += value.bags->total_lookups();
  return lookups;
}

bool OpRunner::has_memory(Slot slot, size_t i) const {
  if (slot == Slot::in || slot == Slot::din) return !inputs_[i].tables && inputs_[i].dtype == DType::f32;
  return slot != Slot::dparams || (!op_->params[i].sparse && !op_->params[i].buffer);
}

View OpRunner::layout(Slot slot, size_t i) const {
  const Shape want = shape(slot, i);
  return {nullptr, want.dtype, want.rows, want.cols, row_elements(want.dtype, want.cols)};
}

void OpRunner::bind(Slot slot, size_t i, const View& view) {
  const int at = static_cast<int>(slot);
  if (i >= views_[at].size())
    fail(Code::shape, "[%s] %s %zu: there are only %zu", name_.c_str(), kSlotNames[at], i, views_[at].size());
  const Shape want = shape(slot, i);
  if (view.rows != want.rows || view.cols != want.cols || view.dtype != want.dtype)
    fail(Code::shape, "[%s] %s %zu: expected %lld x %lld of %s, received %lld x %lld of %s", name_.c_str(), kSlotNames[at],
         i, ll(want.rows), ll(want.cols), dtype_name(want.dtype), ll(view.rows), ll(view.cols), dtype_name(view.dtype));
  views_[at][i] = {view, true};
}

void OpRunner::bind_bags(size_t i, const Bags& bags) {
  if (i >= inputs_.size() || inputs_[i].tables != bags.tables)
    fail(Code::shape, "[%s] input %zu: expected bags of %lld tables, received %lld", name_.c_str(), i,
         ll(i < inputs_.size() ? inputs_[i].tables : 0), ll(bags.tables));
  values_[i].bags = &bags;
}

void OpRunner::omit(Slot slot, size_t i) { items(slot).at(i) = {View{}, true}; }

const View& OpRunner::view(Slot slot, size_t i) {
  Item& item = items(slot).at(i);
  if (!item.ready) {
    const Shape want = shape(slot, i);
    if (slot == Slot::in ? !inputs_[i].tables : has_memory(slot, i))
      item.view = memory_.matrix(slot, want.rows, want.cols, want.dtype);
    item.ready = true;
  }
  return item.view;
}

const View* OpRunner::all(Slot slot) {
  std::vector<View>& flat = flat_[static_cast<int>(slot)];
  flat.clear();
  for (size_t i = 0; i < count(slot); ++i) flat.push_back(view(slot, i));
  return flat.data();
}

const View* OpRunner::given(Slot slot) {
  std::vector<View>& flat = flat_[static_cast<int>(slot)];
  flat.clear();
  for (const Item& item : items(slot)) flat.push_back(item.view);
  return flat.data();
}

float* OpRunner::dlookup() {
  if (!run_.dlookup && op_->wants_dlookup(run_))
    run_.dlookup = static_cast<float*>(memory_.bytes(static_cast<size_t>(lookups() * op_->dlookup_cols) * sizeof(float)));
  return run_.dlookup;
}

void OpRunner::init_params(uint64_t seed) {
  for (size_t i = 0; i < op_->params.size(); ++i) init_parameter(op_->params[i], view(Slot::params, i), seed, i);
}

const Run& OpRunner::ready(Pool* pool, bool backward) {
  run_.pool = pool;
  for (size_t i = 0; i < values_.size(); ++i) {
    values_[i].view = view(Slot::in, i);
    if (inputs_[i].tables && !values_[i].bags)
      fail(Code::state, "[%s] input %zu: no bags have been given", name_.c_str(), i);
  }
  run_.in = values_.data();
  run_.out = all(Slot::out);
  run_.params = all(Slot::params);
  run_.saved = all(Slot::saved);
  if (backward) {
    run_.dout = all(Slot::dout);
    run_.din = all(Slot::din);
    dlookup();
  }
  run_.dparams = backward ? all(Slot::dparams) : given(Slot::dparams);
  if (op_->packed_floats && !run_.packed)
    run_.packed = static_cast<float*>(memory_.bytes(static_cast<size_t>(op_->packed_floats) * sizeof(float)));
  const size_t scratch = op_->scratch_bytes(run_);
  if (scratch > scratch_size_) {
    run_.scratch = memory_.bytes(scratch);
    scratch_size_ = scratch;
  }
  return run_;
}

void OpRunner::upload_constants() {
  if (device_ == Device::cpu || !op_->constants_bytes) return;
  if (!constants_) run_.constants = constants_ = memory_.bytes(op_->constants_bytes);
  host_constants_.resize(op_->constants_bytes);  // the copy may come to it late; finish() waits
  op_->write_constants(run_, host_constants_.data());
  cuda_check(cuda_plugin().copy(constants_, host_constants_.data(), host_constants_.size(), run_.stream), "copy to the GPU");
}

void OpRunner::start() {
  if (device_ == Device::cuda) cuda_check(cuda_plugin().record(events_[0], run_.stream), "timing");
}

void OpRunner::finish(const char* what) {
  if (device_ == Device::cpu) return;
  const std::string doing = name_ + " " + what;
  cuda_check(cuda_plugin().launched(), doing.c_str());
  cuda_check(cuda_plugin().record(events_[1], run_.stream), "timing");
  cuda_check(cuda_plugin().synchronise(run_.stream), doing.c_str());
  float milliseconds = 0;
  cuda_check(cuda_plugin().elapsed(events_[0], events_[1], &milliseconds), "timing");
  device_ns_ = 1e6 * static_cast<double>(milliseconds);
}

void OpRunner::prepare(Pool* pool) {
  const Run& run = ready(pool, false);
  start();
  op_->prepare(run);
  finish("prepare");
}

void OpRunner::forward(Pool* pool) {
  const Run& run = ready(pool, false);
  upload_constants();
  start();
  op_->forward(run);
  run_.again = false;
  finish("forward");
}

double OpRunner::squares(Pool* pool) {
  if (!squares_) squares_ = static_cast<double*>(memory_.bytes(sizeof(double)));
  *squares_ = 0;
  run_.squares = squares_;
  forward(pool);
  run_.squares = nullptr;
  run_.again = true;
  return *squares_;
}

void OpRunner::backward(Pool* pool) {
  if (!op_->differentiable) fail(Code::state, "[%s] this op has no backward pass", name_.c_str());
  const Run& run = ready(pool, true);
  start();
  op_->backward(run);
  finish("backward");
}

void OpRunner::set_step(double lr, int64_t step) {
  run_.lr = lr;
  run_.step = step;
}

void OpRunner::set_training(bool training, uint64_t key) {
  run_.training = training;
  run_.key = key;
  if (run_.step < 1) run_.step = 1;
}

Cost OpRunner::cost(bool backward) { return op_->cost(ready(nullptr, backward), backward); }

}  // namespace dlrm
