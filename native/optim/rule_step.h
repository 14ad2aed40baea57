// What a kernel gets of an optimizer (rule.h) for one step.
#pragma once

namespace dlrm {

enum class RuleKind { sgd, momentum, adagrad, rowwise_adagrad, adam, ftrl };

// One rule's numbers at one step, computed in double and rounded once.
struct RuleStep {
  RuleKind kind = RuleKind::sgd;
  float scale = 1;         // of every gradient, before all else: clipping
  float lr = 0;            // after decay; adam: with the bias correction
  float eps = 0;
  float weight_decay = 0;  // added to the gradient, times the weight
  float shrink = 1;        // decoupled weight decay: what is left of the weight
  float momentum = 0;
  float beta2 = 0, new1 = 0, new2 = 0;  // adam: share of the new value in either average, 1 - beta1 and 1 - beta2
  float beta = 0, l1 = 0, l2 = 0;       // ftrl
  float bias2 = 1;                      // adam: sqrt(1 - beta2^step); for tables that are lazy it is folded into lr
};

}  // namespace dlrm
