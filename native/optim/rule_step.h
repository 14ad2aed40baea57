// What a kernel gets of an optimizer (rule.h) for one step.
#pragma once

namespace dlrm {

enum class RuleKind { sgd, momentum, adagrad, rowwise_adagrad, adam };

// One rule's numbers at one step, computed in double and rounded once.
struct RuleStep {
  RuleKind kind = RuleKind::sgd;
  float lr = 0;            // after decay; adam: with the bias correction
  float eps = 0;
  float weight_decay = 0;  // added to the gradient, times the weight
  float shrink = 1;        // decoupled weight decay: what is left of the weight
  float momentum = 0;
  float beta2 = 0, new1 = 0, new2 = 0;  // adam: share of the new value in either average, 1 - beta1 and 1 - beta2
  float bias2 = 1;                      // adam, dense: sqrt(1 - beta2^step); for tables it is folded into lr
};

}  // namespace dlrm
