// A model as data: nodes in the order the data flows. Building a Graph infers every shape once; an impossible one throws.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "exec/batch.h"
#include "ops/op.h"

namespace dlrm {

struct NodeSpec {
  std::string op, name;
  std::vector<std::string> inputs, outputs;  // value names
  Attrs attrs;
  std::string group = {};  // of its parameters, for the optimizer; empty: "tables" for tables, "mlp" for the others
  std::vector<std::string> params = {};  // names of its parameters, instead of those that the op gives them
};

// Values "dense" [B,D], "tables" (bags of the raw, then the derived columns), "labels" and "weights" (of the examples, 1 where
// the batch has none), both [B,1], exist from the start.
struct GraphSpec {
  InputSpec inputs;
  std::vector<NodeSpec> nodes;
  std::string loss, prediction;  // value names: [1,1] and [B,1]
};

// The update rule of one parameter group; group "*": of every group that no other entry names.
struct GroupRule {
  std::string group;
  Attrs attrs;  // as optim/rule.h reads them
};

struct Node {
  std::string name;
  std::unique_ptr<Op> op;
  std::vector<int> inputs, outputs;  // value ids
  std::vector<int> params;           // ids into Graph::params
  std::string group;
};

class Graph {
 public:
  static constexpr int kDense = 0, kTables = 1, kLabels = 2, kWeights = 3;  // ids of the input values

  Graph(const GraphSpec& spec, Isa isa, Device device = Device::cpu);

  InputSpec inputs;
  std::vector<Node> nodes;
  std::vector<ValueSpec> values;
  std::vector<ParamSpec> params;
  int loss, prediction;

  // needed[n]: node n must run to compute the targets.
  std::vector<bool> needed_for(const std::vector<int>& targets) const;
  // flows[v]: a gradient of value v leads to a parameter.
  std::vector<bool> gradient_flows() const;

 private:
  void check_bag_rows(const Node& node) const;
};

}  // namespace dlrm
