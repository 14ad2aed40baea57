#include "exec/graph.h"

#include <map>
#include <set>

#include "base/error.h"

namespace dlrm {
namespace {

class ValueNames {
 public:
  int add(const std::string& name, int id) {
    if (!ids_.emplace(name, id).second) fail(Code::argument, "[graph] the value \"%s\" is defined twice", name.c_str());
    return id;
  }
  int find(const std::string& name, const std::string& user) const {
    const auto found = ids_.find(name);
    if (found == ids_.end())
      fail(Code::argument, "[graph] %s: there is no value \"%s\" before it", user.c_str(), name.c_str());
    return found->second;
  }

 private:
  std::map<std::string, int> ids_;
};

void rename_params(const NodeSpec& spec, Op& op) {
  if (spec.params.empty()) return;
  if (spec.params.size() != op.params.size())
    fail(Code::shape, "[graph] %s: %s has %zu parameters, received %zu names", spec.name.c_str(), spec.op.c_str(), op.params.size(),
         spec.params.size());
  for (size_t i = 0; i < op.params.size(); ++i) op.params[i].name = spec.params[i];
}

}  // namespace

Graph::Graph(const GraphSpec& spec, Isa isa, Device device) : inputs(spec.inputs) {
  ValueNames names;
  check_derived(inputs);
  values = {{kPerExample, inputs.dense}, {kPerExample, 0, static_cast<int64_t>(inputs.columns())}, {kPerExample, 1}, {kPerExample, 1}};
  names.add("dense", kDense);
  names.add("tables", kTables);
  names.add("labels", kLabels);
  names.add("weights", kWeights);
  std::set<std::string> param_names;
  for (const NodeSpec& node_spec : spec.nodes) {
    Node node;
    node.name = node_spec.name;
    node.group = node_spec.group;
    MakeArgs args;
    args.name = node_spec.name;
    args.attrs = node_spec.attrs;
    args.isa = isa;
    args.device = device;
    for (const std::string& input : node_spec.inputs) {
      node.inputs.push_back(names.find(input, node_spec.name));
      args.inputs.push_back(values[node.inputs.back()]);
    }
    node.op = make_op(node_spec.op, std::move(args));
    rename_params(node_spec, *node.op);
    if (node_spec.outputs.size() != node.op->outputs.size())
      fail(Code::shape, "[graph] %s: %s has %zu outputs, received %zu names", node.name.c_str(), node_spec.op.c_str(),
           node.op->outputs.size(), node_spec.outputs.size());
    for (size_t i = 0; i < node_spec.outputs.size(); ++i) {
      node.outputs.push_back(names.add(node_spec.outputs[i], static_cast<int>(values.size())));
      values.push_back(node.op->outputs[i]);
    }
    check_bag_rows(node);
    for (const ParamSpec& param : node.op->params) {
      if (!param_names.insert(param.name).second)
        fail(Code::argument, "[graph] the parameter \"%s\" is defined twice", param.name.c_str());
      node.params.push_back(static_cast<int>(params.size()));
      params.push_back(param);
    }
    nodes.push_back(std::move(node));
  }
  loss = names.find(spec.loss, "loss");
  prediction = names.find(spec.prediction, "prediction");
  if (values[loss].rows != 1 || values[loss].cols != 1) fail(Code::shape, "[graph] the loss must be one number");
  if (values[prediction].rows != kPerExample || values[prediction].cols != 1)
    fail(Code::shape, "[graph] the prediction must be one number per example");
  const std::vector<bool> needed = needed_for({prediction});
  for (size_t n = 0; n < nodes.size(); ++n)
    for (const int input : nodes[n].inputs)
      if (needed[n] && input == kLabels)
        fail(Code::argument, "[graph] %s: the prediction must not need the labels", nodes[n].name.c_str());
}

// The batch's indices are checked against inputs.rows alone, and derived ones are below the rows of their column: so no op may
// have smaller tables.
void Graph::check_bag_rows(const Node& node) const {
  for (size_t t = 0; t < node.op->bag_rows.size(); ++t) {
    const int64_t rows = node.op->bag_rows[t];
    if (rows && t < inputs.columns() && rows < inputs.rows_of(t))
      fail(Code::shape, "[graph] %s: column %zu has %lld rows, the node's table for it %lld", node.name.c_str(), t,
           static_cast<long long>(inputs.rows_of(t)), static_cast<long long>(rows));
  }
}

std::vector<bool> Graph::needed_for(const std::vector<int>& targets) const {
  std::vector<bool> value(values.size()), node(nodes.size());
  for (const int target : targets) value[target] = true;
  for (size_t n = nodes.size(); n-- > 0;) {
    for (const int output : nodes[n].outputs) node[n] = node[n] || value[output];
    if (node[n])
      for (const int input : nodes[n].inputs) value[input] = true;
  }
  return node;
}

std::vector<bool> Graph::gradient_flows() const {
  std::vector<bool> flows(values.size());
  for (const Node& node : nodes) {
    bool any = false;
    for (const int param : node.params) any = any || !params[param].buffer;
    for (const int input : node.inputs) any = any || flows[input];
    if (any && node.op->differentiable)
      for (const int output : node.outputs) flows[output] = true;
  }
  return flows;
}

}  // namespace dlrm
