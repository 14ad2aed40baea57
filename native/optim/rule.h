// The optimizer of an update op: its options, its state tensors, and its numbers for one step. The formulas are in
// sgd.h, adagrad.h, rowwise_adagrad.h, adam.h and ftrl.h, one struct per rule.
//   rule             options (default)                                                         states
//   sgd              momentum (0), weight_decay (0)                                            momentum, if not 0
//   adagrad          eps (1e-10), initial_accumulator (0), lr_decay (0), weight_decay (0)      sum
//   rowwise_adagrad  the same; a dense tensor has no rows and takes adagrad, as in the         sum, one per row
//                    reference's rwsadagrad.py
//   adam             beta1 (.9), beta2 (.999), eps (1e-8), weight_decay (0), decoupled         exp_avg, exp_avg_sq
//                    (false; true: AdamW)
//   ftrl             beta (1), l1 (0), l2 (0)                                                  z, n
// All take lazy (true). A lazy table takes the rule as PyTorch applies it to a sparse gradient: rows that no lookup
// touched stay as they are; weight decay applies to the others once a step; momentum is read and ignored. With lazy
// false every row of a table is changed in every step, as by PyTorch's dense gradients. Dense tensors ignore it.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"
#include "optim/rule_step.h"

namespace dlrm {

struct RuleState {
  std::string name;
  bool per_row;  // one number per row, else one per weight
};

class Rule {
 public:
  enum Target { dense, tables };

  // Reads the options. Throws ERR_ARGUMENT for an unknown rule or a number outside its domain.
  Rule(const MakeArgs& args, Target target);

  // Throws ERR_ARGUMENT unless step >= 1.
  RuleStep at(double lr, int64_t step) const;

  RuleKind kind() const { return kind_; }
  bool whole() const { return whole_; }  // of tables: every row in every step

  std::vector<RuleState> states;
  Init initial;  // of every state

 private:
  Target target_;
  RuleKind kind_;
  bool whole_;
  double momentum_ = 0, weight_decay_ = 0, lr_decay_ = 0, eps_ = 0, beta1_ = 0, beta2_ = 0;
  double beta_ = 0, l1_ = 0, l2_ = 0;
  bool decoupled_ = false;
};

}  // namespace dlrm
