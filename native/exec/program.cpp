#include "exec/program.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/compute_thread.h"
#include "base/error.h"
#include "base/table_rows.h"
#include "exec/init.h"
#include "exec/prune.h"

namespace dlrm {
namespace {

constexpr int64_t kInitInParallelFrom = 1 << 22;  // starting threads costs more below

void check_span(const Tensor& tensor, int64_t size, int64_t start, int64_t count) {
  if (start < 0 || count < 0 || start > size || count > size - start)
    fail(Code::shape, "[state] %s has %lld elements, received start %lld and count %lld", tensor.spec.name.c_str(),
         static_cast<long long>(size), static_cast<long long>(start), static_cast<long long>(count));
}

void quantise_table(Tensor& tensor, DType dtype, Pool* pool) {
  const View& from = tensor.view;
  Buffer memory(static_cast<size_t>(from.rows * row_bytes(dtype, from.cols)));
  const View table = {memory.data(), dtype, from.rows, from.cols, row_elements(dtype, from.cols)};
  const int64_t chunks = (from.rows * from.cols + 65535) / 65536;
  for_chunks(pool, chunks, static_cast<double>(tensor.size()), [&](int64_t chunk) {
    std::vector<float> row(static_cast<size_t>(from.cols));
    const Range range = chunk_range(from.rows, chunks, chunk);
    for (int64_t r = range.begin; r < range.end; ++r) {
      load_row(from, r, row.data());
      store_row(table, r, row.data());
    }
  });
  tensor.memory = std::move(memory);
  tensor.view = table;
  tensor.spec.dtype = dtype;
}

void add_into(const View& to, const View& from, Pool* pool) {
  for_chunks(pool, to.rows, static_cast<double>(to.rows * to.cols), [&](int64_t r) {
    for (int64_t c = 0; c < to.cols; ++c) to.row(r)[c] += from.row(r)[c];
  });
}

const char* group_of(const Node& node, const ParamSpec& param) {
  if (param.buffer) return "";
  if (!node.group.empty()) return node.group.c_str();
  return param.sparse ? "tables" : "mlp";
}

// The rule of a group, or of all others.
size_t rule_of(const std::vector<GroupRule>& rules, const std::string& group) {
  size_t found = rules.size();
  for (size_t i = 0; i < rules.size(); ++i)
    if (rules[i].group == group || (rules[i].group == "*" && found == rules.size())) found = i;
  if (found == rules.size())
    fail(Code::argument, "[compile] optimizer: the parameter group \"%s\" has none; name it, or * for the rest", group.c_str());
  return found;
}

// Every entry must be of a group there is, and of one only.
void check_rules(const std::vector<GroupRule>& rules, const std::vector<std::string>& groups) {
  std::string all;
  for (const std::string& group : groups) all += (all.empty() ? "" : ", ") + group;
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string& group = rules[i].group;
    if (group != "*" && std::find(groups.begin(), groups.end(), group) == groups.end())
      fail(Code::argument, "[compile] optimizer: the model has no parameter group \"%s\", it has %s", group.c_str(), all.c_str());
    for (size_t j = 0; j < i; ++j)
      if (rules[j].group == group) fail(Code::argument, "[compile] optimizer: the parameter group \"%s\" is named twice", group.c_str());
  }
  for (const std::string& group : groups) rule_of(rules, group);
}

// Gradients of the batch's own weights have no reader in a program.
bool updates_per_lookup(const Op& op) {
  for (const SparseUpdate& update : op.sparse_updates)
    if (update.gradient == SparseUpdate::per_lookup) return true;
  return false;
}

}  // namespace

// The views of one node's slots for the batch size bound last.
struct Program::NodeViews {
  std::vector<Value> in;
  std::vector<View> out, saved, dout, din, din_extra, dparams;
};

struct Program::Execution {
  Execution(const Graph& graph, Mode mode, int64_t max_batch) : plan(graph, mode, max_batch), arena(plan.arena_bytes) {
    nodes.resize(graph.nodes.size());
    values.resize(graph.values.size());
    dlookup.resize(graph.nodes.size());
  }

  View view(int slot, int64_t batch) const {
    if (slot < 0) return {};
    const Slot& s = plan.slots[slot];
    const Plan::Place place = plan.place(slot);
    return {arena.data() + place.offset, s.spec.dtype, s.rows(batch), s.spec.cols, place.stride};
  }

  Plan plan;
  Buffer arena;
  int64_t batch = -1;  // what the views are for
  int64_t step = 0;    // > 0: a training step, this one
  std::vector<NodeViews> nodes;
  std::vector<Value> values;
  std::vector<Buffer> dlookup;  // per node: gradients of the per-sample weights
};

Program::Program(const GraphSpec& spec, Isa isa, uint64_t seed) : graph_(spec, isa), isa_(isa), seed_(seed) {
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
    packed_.emplace_back(static_cast<size_t>(node.op->packed_floats) * sizeof(float));
  }
}

Program::~Program() = default;

void Program::add_param(const ParamSpec& spec, bool is_state, std::vector<std::unique_ptr<Tensor>>& to, Pool* pool) {
  auto tensor = std::make_unique<Tensor>();
  tensor->spec = spec;
  tensor->is_state = is_state;
  const int64_t rows = param_rows(spec), cols = param_cols(spec);
  tensor->memory.reserve(static_cast<size_t>(rows * row_bytes(spec.dtype, cols)));
  tensor->view = {tensor->memory.data(), spec.dtype, rows, cols, row_elements(spec.dtype, cols)};
  if (spec.init.kind != Init::zeros) init_parameter(spec, tensor->view, seed_, to.size(), pool);  // fresh memory is zero
  to.push_back(std::move(tensor));
}

std::vector<const Tensor*> Program::tensors() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<const Tensor*> all;
  for (const auto& tensor : params_) all.push_back(tensor.get());
  for (const auto& tensor : states_) all.push_back(tensor.get());
  return all;
}

void Program::read(size_t index, int64_t start, int64_t count, float* to) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.size(), start, count);
  load_span(of.view, start, count, to);
}

void Program::write(size_t index, int64_t start, int64_t count, const float* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.size(), start, count);
  store_span(of.view, start, count, from);
  packed_is_stale_ = true;
}

void Program::read_bytes(size_t index, int64_t start, int64_t count, uint8_t* to) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.bytes(), start, count);
  if (count) memcpy(to, of.memory.data() + start, static_cast<size_t>(count));
}

void Program::write_bytes(size_t index, int64_t start, int64_t count, const uint8_t* from) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Tensor& of = tensor(index);
  check_span(of, of.bytes(), start, count);
  if (count) memcpy(of.memory.data() + start, from, static_cast<size_t>(count));
  packed_is_stale_ = true;
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
  executions_[static_cast<int>(Mode::train)].reset();
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    for (size_t i = 0; i < node.params.size(); ++i) {
      Tensor& tensor = *params_[node.params[i]];
      if (!tensor.spec.quantisable) continue;
      quantise_table(tensor, dtype, pool);
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
    std::vector<View> tensors;
    int64_t total = 0;
    for (const int64_t i : set.tensors) {
      tensors.push_back(params_[static_cast<size_t>(i)]->view);
      total += params_[static_cast<size_t>(i)]->size();
    }
    dlrm::prune(tensors, std::llround(set.fraction * static_cast<double>(total)), pool);
  }
  packed_is_stale_ = true;
}

std::vector<int64_t> Program::zeros() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<int64_t> counts;
  for (const auto& tensor : params_) counts.push_back(count_zeros(tensor->view));
  return counts;
}

// The op's parameters are `params`, then the states it asks for, which are made here.
void Program::add_update(Update update, const MakeArgs& args, const char* op, const std::vector<int>& params) {
  update.op = make_op(op, args);
  for (const int param : params) update.params.push_back(params_[param]->view);
  for (size_t i = params.size(); i < update.op->params.size(); ++i) {
    add_param(update.op->params[i], true, states_, nullptr);
    update.params.push_back(states_.back()->view);
  }
  for (size_t i = 0; i < update.params.size(); ++i) {
    const ParamSpec& want = update.op->params[i];
    if (update.params[i].rows * update.params[i].cols != param_rows(want) * param_cols(want))
      fail(Code::shape, "[%s] %s: the parameter \"%s\" has another size in the graph", op, args.name.c_str(), want.name.c_str());
  }
  updates_.push_back(std::move(update));
}

void Program::compile(const std::vector<GroupRule>& rules, int64_t max_batch, double clip_norm) {
  if (max_batch < 1) fail(Code::argument, "[compile] maxBatch: expected an integer >= 1, received %lld", static_cast<long long>(max_batch));
  if (!(clip_norm >= 0)) fail(Code::argument, "[compile] clipNorm: expected a number >= 0, received %g", clip_norm);
  std::lock_guard<std::mutex> lock(mutex_);
  check_rules(rules, groups());
  auto execution = std::make_unique<Execution>(graph_, Mode::train, max_batch);
  updates_.clear();
  states_.clear();
  max_batch_ = 0;
  add_updates(rules);
  rules_ = rules.size();
  clip_norm_ = clip_norm;
  executions_[static_cast<int>(Mode::train)] = std::move(execution);
  max_batch_ = max_batch;
}

// The groups of the graph's parameters, in its order.
std::vector<std::string> Program::groups() const {
  std::vector<std::string> groups;
  for (const auto& param : params_)
    if (!param->spec.buffer && std::find(groups.begin(), groups.end(), param->group) == groups.end()) groups.push_back(param->group);
  return groups;
}

void Program::add_updates(const std::vector<GroupRule>& rules) {
  for (size_t n = 0; n < graph_.nodes.size(); ++n)
    for (const SparseUpdate& sparse : graph_.nodes[n].op->sparse_updates) add_sparse_update(rules, n, sparse);
  for (size_t i = 0; i < rules.size(); ++i) add_dense_update(rules, i);
}

void Program::add_sparse_update(const std::vector<GroupRule>& rules, size_t n, const SparseUpdate& sparse) {
  const Node& node = graph_.nodes[n];
  const auto ids = [&](const std::vector<int>& own) {
    std::vector<int> all;
    for (const int p : own) all.push_back(node.params[p]);
    return all;
  };
  std::vector<int> params = ids(sparse.params);
  const std::vector<int> scales = ids(sparse.scale_params);
  Update update;
  update.rule = rule_of(rules, params_[params[0]]->group);
  update.node = static_cast<int>(n);
  update.sparse = &sparse;
  MakeArgs args = sparse_update_args(*node.op, sparse, graph_.values[node.inputs[0]], rules[update.rule].attrs);
  args.name = node.name;
  args.isa = isa_;
  params.insert(params.end(), scales.begin(), scales.end());
  add_update(std::move(update), args, "embedding_update", params);
}

// All dense parameters of this rule.
void Program::add_dense_update(const std::vector<GroupRule>& rules, size_t rule) {
  Update update;
  update.rule = rule;
  std::vector<int> params;
  std::vector<double> sizes;
  for (size_t n = 0; n < graph_.nodes.size(); ++n)
    for (size_t i = 0; i < graph_.nodes[n].params.size(); ++i) {
      const int p = graph_.nodes[n].params[i];
      const Tensor& param = *params_[p];
      if (param.spec.sparse || param.spec.buffer || rule_of(rules, param.group) != rule) continue;
      update.gradients.emplace_back(n, i);
      params.push_back(p);
      sizes.push_back(static_cast<double>(param.size()));
    }
  if (params.empty()) return;
  MakeArgs args;
  args.name = "dense";
  args.isa = isa_;
  args.attrs = rules[rule].attrs;
  args.attrs.set("names", names(params));
  args.attrs.set("sizes", sizes);
  add_update(std::move(update), args, "dense_update", params);
}

std::vector<std::string> Program::names(const std::vector<int>& params) const {
  std::vector<std::string> all;
  for (const int p : params) all.push_back(params_[p]->spec.name);
  return all;
}

Program::Execution& Program::execution(Mode mode, int64_t batch) {
  auto& execution = executions_[static_cast<int>(mode)];
  if (!execution || execution->plan.max_batch < batch) execution = std::make_unique<Execution>(graph_, mode, batch);
  return *execution;
}

void Program::bind(Execution& e, const Batch& batch) {
  e.values[Graph::kDense].view = {const_cast<float*>(batch.dense.data()), DType::f32, batch.size, graph_.inputs.dense, graph_.inputs.dense};
  e.values[Graph::kTables].bags = &batch.bags();
  e.values[Graph::kLabels].view = {const_cast<float*>(batch.labels.data()), DType::f32, batch.size, 1, 1};
  e.values[Graph::kWeights].view = {const_cast<float*>(batch.example_weights()), DType::f32, batch.size, 1, 1};
  const bool same = e.batch == batch.size;
  e.batch = batch.size;
  for (size_t n = 0; n < e.nodes.size(); ++n) {
    const NodeSlots& slots = e.plan.nodes[n];
    const Node& node = graph_.nodes[n];
    if (slots.passes_on) e.values[node.outputs[0]] = e.values[node.inputs[0]];
    if (!slots.runs) continue;
    NodeViews& views = e.nodes[n];
    const auto fill = [&](const std::vector<int>& ids, std::vector<View>& to) {
      to.resize(ids.size());
      for (size_t i = 0; i < ids.size(); ++i) to[i] = e.view(ids[i], batch.size);
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

void* Program::scratch_for(const Op& op, const Run& run) {
  scratch_.reserve(op.scratch_bytes(run));
  return scratch_.data();
}

void Program::prepare(Pool* pool, bool training) {
  if (!packed_is_stale_ && (packed_for_training_ || !training)) return;
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    if (!graph_.nodes[n].op->packed_floats) continue;
    Run run;
    run.pool = pool;
    run.training = training;
    run.params = node_params_[n].data();
    run.packed = packed_[n].as<float>();
    graph_.nodes[n].op->prepare(run);
  }
  packed_is_stale_ = false;
  packed_for_training_ = training;
}

void Program::forward(Execution& e, Pool* pool) {
  for (size_t n = 0; n < e.nodes.size(); ++n) {
    if (!e.plan.nodes[n].runs) continue;
    Run run = run_of(e, n, pool);
    run.scratch = scratch_for(*graph_.nodes[n].op, run);
    graph_.nodes[n].op->forward(run);
  }
}

void Program::backward(Execution& e, Pool* pool) {
  *e.view(e.plan.loss_gradient, e.batch).f32() = 1;
  for (size_t n = e.nodes.size(); n-- > 0;) {
    if (!e.plan.nodes[n].runs_backward) continue;
    const Op& op = *graph_.nodes[n].op;
    Run run = run_of(e, n, pool);
    if (updates_per_lookup(op) && op.wants_dlookup(run)) {
      e.dlookup[n].reserve(static_cast<size_t>(run.in[0].bags->total_lookups(e.batch) * op.dlookup_cols) * sizeof(float));
      run.dlookup = e.dlookup[n].as<float>();
    }
    run.scratch = scratch_for(op, run);
    op.backward(run);
    NodeViews& views = e.nodes[n];
    for (size_t i = 0; i < views.din.size(); ++i)
      if (views.din_extra[i]) add_into(views.din_extra[i], views.din[i], pool);
  }
}

// The call of an update, but for its scratch.
Run Program::update_run(const Execution& e, Update& update, Pool* pool) {
  update.in.clear();
  update.dparams.clear();
  if (update.node >= 0) {
    const NodeViews& views = e.nodes[update.node];
    update.in.push_back(views.in[0]);
    View gradient = views.dout[0];
    if (update.sparse->gradient == SparseUpdate::per_lookup) {
      const int64_t lookups = views.in[0].bags->total_lookups(e.batch), cols = graph_.nodes[update.node].op->dlookup_cols;
      gradient = {e.dlookup[update.node].data(), DType::f32, lookups, cols, cols};
    }
    update.in.push_back({gradient, nullptr});
    if (update.sparse->reads_positions()) update.in.push_back({views.saved[0], nullptr});
  }
  for (const auto& [n, i] : update.gradients) update.dparams.push_back(e.nodes[n].dparams.empty() ? View{} : e.nodes[n].dparams[i]);
  Run run;
  run.batch = e.batch;
  run.pool = pool;
  run.step = e.step;
  run.key = seed_;
  run.params = update.params.data();
  run.in = update.in.data();
  run.dparams = update.dparams.data();
  return run;
}

// The factor of all gradients that keeps their norm within clip_norm_.
float Program::clip_scale(const Execution& e, Pool* pool) {
  double squares = 0;
  for (Update& update : updates_) {
    Run run = update_run(e, update, pool);
    run.squares = &squares;
    update.scratch.reserve(update.op->scratch_bytes(run));
    run.scratch = update.scratch.data();
    update.op->forward(run);
  }
  const double scale = clip_norm_ / (std::sqrt(squares) + 1e-6);
  return scale < 1 ? static_cast<float>(scale) : 1;
}

void Program::update(Execution& e, const std::vector<double>& rates, Pool* pool) {
  const float scale = clip_norm_ > 0 ? clip_scale(e, pool) : 1;
  for (Update& update : updates_) {
    Run run = update_run(e, update, pool);
    run.lr = rates[update.rule];
    run.scale = scale;
    run.again = clip_norm_ > 0;
    run.scratch = run.again ? update.scratch.data() : scratch_for(*update.op, run);
    update.op->forward(run);
  }
  packed_is_stale_ = true;
}

double Program::step(const Batch& batch, const std::vector<double>& rates, int64_t number, Pool* pool) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!max_batch_) fail(Code::state, "[step] the model is not compiled: call compile({ optimizer, maxBatch }) first");
  if (rates.size() != rules_) fail(Code::shape, "[step] expected %zu learning rates, received %zu", rules_, rates.size());
  if (batch.size < 1) fail(Code::shape, "[step] the batch is empty");
  if (batch.size > max_batch_)
    fail(Code::shape, "[step] the batch has %lld examples, the model was compiled for at most %lld", static_cast<long long>(batch.size),
         static_cast<long long>(max_batch_));
  Execution& e = execution(Mode::train, max_batch_);
  bind(e, batch);
  e.step = number;
  prepare(pool, true);
  forward(e, pool);
  const double loss = *e.values[graph_.loss].view.f32();
  backward(e, pool);
  update(e, rates, pool);
  return loss;
}

double Program::infer(Mode mode, const Batch& batch, float* out, Pool* pool) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (batch.size == 0) return NAN;
  Execution& e = execution(mode, batch.size);
  bind(e, batch);
  prepare(pool, false);
  forward(e, pool);
  const View& p = e.values[graph_.prediction].view;
  for (int64_t b = 0; b < batch.size; ++b) out[b] = *p.row(b);
  return mode == Mode::predict ? 0 : *e.values[graph_.loss].view.f32();
}

void Program::predict(const Batch& batch, float* out, Pool* pool) { infer(Mode::predict, batch, out, pool); }

double Program::evaluate(const Batch& batch, float* out, Pool* pool) { return infer(Mode::evaluate, batch, out, pool); }

}  // namespace dlrm
