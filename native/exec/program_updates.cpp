// The update ops of a program: made by compile(), run at the end of each step.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "exec/execution.h"
#include "exec/init.h"
#include "exec/on_device.h"

namespace dlrm {
namespace {

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

}  // namespace

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
  auto execution = std::make_unique<Execution>(graph_, Mode::train, max_batch, stream_.memory());
  updates_.clear();
  states_.clear();
  max_batch_ = 0;
  add_updates(rules);
  part_runs_.assign(updates_.size(), Run());
  if (on_device_) make_ready(*execution);
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
  owners_.assign(graph_.nodes.size(), {});
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
  args.device = device();
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
      owners_[n].resize(graph_.nodes[n].params.size());
      owners_[n][i] = {updates_.size(), params.size()};
      update.gradients.emplace_back(n, i);
      params.push_back(p);
      sizes.push_back(static_cast<double>(param.size()));
    }
  if (params.empty()) return;
  MakeArgs args;
  args.name = "dense";
  args.isa = isa_;
  args.device = device();
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

// The call of an update, but for its scratch.
Run Program::update_run(const Execution& e, Update& update, Pool* pool) {
  update.in.clear();
  update.dparams.clear();
  if (update.node >= 0) {
    const NodeViews& views = e.nodes[update.node];
    update.in.push_back(views.in[0]);
    View gradient = views.dout[0];
    if (update.sparse->gradient == SparseUpdate::per_lookup) {
      const int64_t lookups = views.in[0].bags->total_lookups(), cols = graph_.nodes[update.node].op->dlookup_cols;
      gradient = {e.dlookup[update.node].data(), DType::f32, lookups, cols, cols};
    }
    update.in.push_back({gradient, nullptr});
    if (update.sparse->reads_positions()) update.in.push_back({views.saved[0], nullptr});
  }
  for (const auto& [n, i] : update.gradients)
    update.dparams.push_back(parts_done_[n] || e.nodes[n].dparams.empty() ? View{} : e.nodes[n].dparams[i]);
  Run run;
  run.batch = e.batch;
  run.pool = pool;
  run.stream = stream_.handle();
  if (e.constants) run.constants = e.constants + update.constants;
  run.step = e.step;
  run.key = seed_;
  run.params = update.params.data();
  run.in = update.in.data();
  run.dparams = update.dparams.data();
  return run;
}

// Before backward, the calls that its parts of updates get. With clipping, which needs the norm of all gradients first,
// there are none.
void Program::begin_parts(const Execution& e, const std::vector<double>& rates, Pool* pool) {
  std::fill(parts_done_.begin(), parts_done_.end(), 0);
  for (size_t u = 0; clip_norm_ == 0 && u < updates_.size(); ++u) {
    if (updates_[u].node >= 0) continue;
    part_runs_[u] = update_run(e, updates_[u], pool);
    part_runs_[u].lr = rates[updates_[u].rule];
  }
}

// The sum of the squares of all gradients, of the host or, where the updates are, of the device.
void Program::add_squares(const Execution& e, double* squares, Pool* pool) {
  for (Update& update : updates_) {
    Run run = update_run(e, update, pool);
    run.squares = squares;
    update.scratch.reserve(update.op->scratch_bytes(run));
    run.scratch = update.scratch.data();
    update.op->forward(run);
  }
}

// The factor of all gradients that keeps their norm within clip_norm_.
float Program::clip_scale(const Execution& e, Pool* pool) {
  double squares = 0;
  add_squares(e, &squares, pool);
  const double scale = clip_norm_ / (std::sqrt(squares) + 1e-6);
  return scale < 1 ? static_cast<float>(scale) : 1;
}

const float* Program::clip_scale_on_device(const Execution& e, Pool* pool) {
  OnDevice& on = *on_device_;
  stream_.zero(on.squares.data(), sizeof(double));
  add_squares(e, on.squares.as<double>(), pool);
  stream_.plugin().clip(on.scale.as<float>(), on.squares.as<double>(), clip_norm_, stream_.handle());
  return on.scale.as<float>();
}

void Program::update(Execution& e, const std::vector<double>& rates, Pool* pool) {
  const bool clips = clip_norm_ > 0;
  const float scale = clips && !on_device_ ? clip_scale(e, pool) : 1;
  const float* scale_at = clips && on_device_ ? clip_scale_on_device(e, pool) : nullptr;
  for (Update& update : updates_) {
    Run run = update_run(e, update, pool);
    run.lr = rates[update.rule];
    run.scale = scale;
    run.scale_at = scale_at;
    run.again = clips;
    run.scratch = clips ? update.scratch.data() : scratch_for(*update.op, run, scratch_);
    update.op->forward(run);
  }
  std::copy(parts_done_.begin(), parts_done_.end(), packed_is_fresh_.begin());
}

}  // namespace dlrm
