#include "exec/program.h"

#include "base/compute_thread.h"
#include "base/error.h"
#include "exec/execution.h"
#include "exec/init.h"
#include "exec/on_device.h"

namespace dlrm {
namespace {

constexpr int64_t kInitInParallelFrom = 1 << 22;  // starting threads costs more below

const char* group_of(const Node& node, const ParamSpec& param) {
  if (param.buffer) return "";
  if (!node.group.empty()) return node.group.c_str();
  return param.sparse ? "tables" : "mlp";
}

// Gradients of the batch's own weights have no reader in a program.
bool updates_per_lookup(const Op& op) {
  for (const SparseUpdate& update : op.sparse_updates)
    if (update.gradient == SparseUpdate::per_lookup) return true;
  return false;
}

}  // namespace

Program::Program(const GraphSpec& spec, Isa isa, uint64_t seed, Device device)
    : graph_(spec, isa, device), isa_(isa), seed_(seed), stream_(device), scratch_(stream_.memory()) {
  if (stream_.on_device()) on_device_ = std::make_unique<OnDevice>();
  int64_t total = 0;
  for (const ParamSpec& param : graph_.params) total += param_rows(param) * param_cols(param);
  Pool pool(total > kInitInParallelFrom ? current_threads() : 1);
  for (const ParamSpec& param : graph_.params) add_param(param, false, params_, &pool);
  for (const Node& node : graph_.nodes) {
    node_params_.emplace_back();
    for (const int param : node.params) {
      params_[param]->group = group_of(node, graph_.params[param]);
      node_params_.back().push_back(params_[param]->view);
    }
    packed_.emplace_back(static_cast<size_t>(node.op->packed_floats) * sizeof(float), stream_.memory());
  }
  packed_is_fresh_.assign(graph_.nodes.size(), 0);
  parts_done_.assign(graph_.nodes.size(), 0);
}

Program::~Program() = default;

Program::Execution& Program::execution(Mode mode, int64_t batch) {
  auto& execution = executions_[static_cast<int>(mode)];
  if (!execution || execution->plan.max_batch < batch) {
    if (on_device_) execution.reset();  // there is rarely room for both
    execution = std::make_unique<Execution>(graph_, mode, batch, stream_.memory());
  }
  return *execution;
}

void Program::bind(Execution& e, const Batch& batch, const std::vector<double>* rates, Pool* pool) {
  if (!on_device_) return bind(e, batch.views(graph_.inputs.dense), batch.size);
  const auto& sent = on_device_->uploads.send(batch, graph_.inputs.dense, constants(e, rates), stream_, rates != nullptr, pool);
  e.constants = sent.constants;
  bind(e, sent.views, batch.size);
}

void Program::bind(Execution& e, const BatchViews& batch, int64_t size) {
  e.values[Graph::kDense].view = batch.dense;
  e.values[Graph::kTables].bags = batch.bags;
  e.values[Graph::kLabels].view = batch.labels;
  e.values[Graph::kWeights].view = batch.weights;
  const bool same = e.batch == size;
  e.batch = size;
  for (size_t n = 0; n < e.nodes.size(); ++n) {
    const NodeSlots& slots = e.plan.nodes[n];
    const Node& node = graph_.nodes[n];
    if (slots.passes_on) e.values[node.outputs[0]] = e.values[node.inputs[0]];
    if (!slots.runs) continue;
    NodeViews& views = e.nodes[n];
    const auto fill = [&](const std::vector<int>& ids, std::vector<View>& to) {
      to.resize(ids.size());
      for (size_t i = 0; i < ids.size(); ++i) to[i] = e.view(ids[i], size);
    };
    if (!same) {
      fill(slots.out, views.out);
      fill(slots.saved, views.saved);
      fill(slots.dout, views.dout);
      fill(slots.din, views.din);
      fill(slots.din_extra, views.din_extra);
      fill(slots.dparams, views.dparams);
      for (size_t i = 0; i < node.outputs.size(); ++i) e.values[node.outputs[i]].view = views.out[i];
      for (size_t i = 0; i < views.din.size(); ++i)
        if (views.din_extra[i]) std::swap(views.din[i], views.din_extra[i]);  // din: where the op writes; din_extra: the sum
    }
    views.in.resize(node.inputs.size());
    for (size_t i = 0; i < node.inputs.size(); ++i) views.in[i] = e.values[node.inputs[i]];
  }
}

Run Program::run_of(Execution& e, size_t n, Pool* pool) {
  NodeViews& views = e.nodes[n];
  Run run;
  run.batch = e.batch;
  run.pool = pool;
  run.stream = stream_.handle();
  if (e.constants) run.constants = e.constants + on_device_->constants_at[n];
  run.training = e.step > 0;
  run.step = e.step;
  run.key = seed_;
  run.in = views.in.data();
  run.out = views.out.data();
  run.params = node_params_[n].data();
  run.saved = views.saved.data();
  run.packed = packed_[n].as<float>();
  run.dout = views.dout.data();
  run.din = views.din.data();
  run.dparams = views.dparams.data();
  return run;
}

void* Program::scratch_for(const Op& op, const Run& run, Buffer& scratch) {
  scratch.reserve(op.scratch_bytes(run));
  return scratch.data();
}

void Program::forget_packed() { std::fill(packed_is_fresh_.begin(), packed_is_fresh_.end(), 0); }

// What is prepared for training would do for predictions, but a pruned layer is faster prepared for them.
void Program::prepare(Pool* pool, bool training) {
  if (packed_for_training_ != training) forget_packed();
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    if (!graph_.nodes[n].op->packed_floats || packed_is_fresh_[n]) continue;
    Run run;
    run.pool = pool;
    run.stream = stream_.handle();
    run.training = training;
    run.params = node_params_[n].data();
    run.packed = packed_[n].as<float>();
    graph_.nodes[n].op->prepare(run);
    packed_is_fresh_[n] = 1;
  }
  packed_for_training_ = training;
}

void Program::forward(Execution& e, Pool* pool, Buffer& scratch) {
  for (size_t n = 0; n < e.nodes.size(); ++n) {
    if (!e.plan.nodes[n].runs) continue;
    Run run = run_of(e, n, pool);
    run.scratch = scratch_for(*graph_.nodes[n].op, run, scratch);
    graph_.nodes[n].op->forward(run);
  }
}

// Sends parts of a node's parameters to the updates that own them.
class Program::NodeParts : public PartUpdate {
 public:
  NodeParts(const Program& program, size_t node) : program_(program), owners_(program.owners_[node]) {}
  void apply(size_t param, Range rows, Range cols, const View& gradient) const override {
    const Owner& owner = owners_[param];
    program_.updates_[owner.update].op->update_part(program_.part_runs_[owner.update], owner.place, rows, cols, gradient);
  }

 private:
  const Program& program_;
  const std::vector<Owner>& owners_;
};

// Where the op's gradient per lookup goes, if an update reads it.
float* Program::dlookup_for(Execution& e, size_t n, const Run& run) {
  const Op& op = *graph_.nodes[n].op;
  if (!updates_per_lookup(op) || !op.wants_dlookup(run)) return nullptr;
  const size_t bytes = static_cast<size_t>(run.in[0].bags->total_lookups() * op.dlookup_cols) * sizeof(float);
  on_device_ ? grow(e.dlookup[n], bytes) : e.dlookup[n].reserve(bytes);
  return e.dlookup[n].as<float>();
}

void Program::backward(Execution& e, Pool* pool) {
  constexpr float kOne = 1;
  stream_.copy(e.view(e.plan.loss_gradient, e.batch).data, on_device_ ? on_device_->one.data() : static_cast<const void*>(&kOne), sizeof kOne);
  for (size_t n = e.nodes.size(); n-- > 0;) {
    if (!e.plan.nodes[n].runs_backward) continue;
    const Op& op = *graph_.nodes[n].op;
    Run run = run_of(e, n, pool);
    run.dlookup = dlookup_for(e, n, run);
    run.scratch = scratch_for(op, run, scratch_);
    const NodeParts parts(*this, n);
    parts_done_[n] = !on_device_ && clip_norm_ == 0 && op.updates_parts;
    if (parts_done_[n]) run.update = &parts;
    op.backward(run);
    NodeViews& views = e.nodes[n];
    for (size_t i = 0; i < views.din.size(); ++i)
      if (views.din_extra[i]) add_into(views.din_extra[i], views.din[i], pool);
  }
}

// A step with learning rates, or without them a forward pass.
void Program::work(Execution& e, const std::vector<double>* rates, Pool* pool) {
  prepare(pool, rates != nullptr);
  forward(e, pool, scratch_);
  if (!rates) return;
  begin_parts(e, *rates, pool);
  backward(e, pool);
  update(e, *rates, pool);
}

PendingLoss Program::start_step(const Batch& batch, const std::vector<double>& rates, int64_t number, Pool* pool) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!max_batch_) fail(Code::state, "[step] the model is not compiled: call compile({ optimizer, maxBatch }) first");
  if (rates.size() != rules_) fail(Code::shape, "[step] expected %zu learning rates, received %zu", rules_, rates.size());
  if (batch.size < 1) fail(Code::shape, "[step] the batch is empty");
  if (batch.size > max_batch_)
    fail(Code::shape, "[step] the batch has %lld examples, the model was compiled for at most %lld", static_cast<long long>(batch.size),
         static_cast<long long>(max_batch_));
  Execution& e = execution(Mode::train, max_batch_);
  e.step = number;
  bind(e, batch, &rates, pool);
  on_device_ ? work_on_device(e, &rates, pool) : work(e, &rates, pool);
  const float* loss = e.values[graph_.loss].view.f32();
  return on_device_ ? on_device_->results.send(loss, stream_) : PendingLoss(*loss);
}

double Program::step(const Batch& batch, const std::vector<double>& rates, int64_t number, Pool* pool) {
  return start_step(batch, rates, number, pool).wait();
}

double Program::infer(Mode mode, const Batch& batch, float* out, Pool* pool) {
  Execution& e = execution(mode, batch.size);
  bind(e, batch, nullptr, pool);
  on_device_ ? work_on_device(e, nullptr, pool) : work(e, nullptr, pool);
  const View& p = e.values[graph_.prediction].view;
  const float* loss = mode == Mode::predict ? nullptr : e.values[graph_.loss].view.f32();
  if (on_device_) return on_device_->results.read(p, loss, out, stream_);
  for (int64_t b = 0; b < batch.size; ++b) out[b] = *p.row(b);
  return loss ? *loss : 0;
}

}  // namespace dlrm
