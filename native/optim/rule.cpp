#include "optim/rule.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace dlrm {
namespace {

constexpr double kAny = std::numeric_limits<double>::infinity();

// A number in [0, below).
double read(const MakeArgs& args, const char* name, double fallback, double below = kAny) {
  const double value = args.attrs.number(args.op, name, fallback);
  if (!(value >= 0 && value < below)) {
    if (below == kAny) fail(Code::argument, "[%s] %s: expected a number >= 0, received %g", args.op, name, value);
    fail(Code::argument, "[%s] %s: expected 0 <= %s < %g, received %g", args.op, name, name, below, value);
  }
  return value;
}

RuleKind kind_of(const MakeArgs& args, Rule::Target target) {
  const std::string rule = args.attrs.text(args.op, "rule", "sgd");
  if (rule == "sgd") return RuleKind::sgd;
  if (rule == "adagrad") return RuleKind::adagrad;
  if (rule == "adam") return RuleKind::adam;
  if (rule == "ftrl") return RuleKind::ftrl;
  if (rule == "rowwise_adagrad") return target == Rule::tables ? RuleKind::rowwise_adagrad : RuleKind::adagrad;
  fail(Code::argument, "[%s] rule: expected sgd, adagrad, rowwise_adagrad, adam or ftrl, received \"%s\"", args.op,
       rule.c_str());
}

}  // namespace

Rule::Rule(const MakeArgs& args, Target target) : target_(target), kind_(kind_of(args, target)) {
  whole_ = !args.attrs.flag(args.op, "lazy", true) && target == tables;
  if (kind_ == RuleKind::ftrl) {
    beta_ = read(args, "beta", 1);
    l1_ = read(args, "l1", 0);
    l2_ = read(args, "l2", 0);
    states = {{"z", false}, {"n", false}};
    return;
  }
  weight_decay_ = read(args, "weight_decay", 0);
  if (kind_ == RuleKind::sgd) {
    momentum_ = read(args, "momentum", 0);
    if (momentum_ != 0 && (target == dense || whole_)) {
      kind_ = RuleKind::momentum;
      states = {{"momentum", false}};
    }
  } else if (kind_ == RuleKind::adam) {
    beta1_ = read(args, "beta1", 0.9, 1);
    beta2_ = read(args, "beta2", 0.999, 1);
    eps_ = read(args, "eps", 1e-8);
    decoupled_ = args.attrs.flag(args.op, "decoupled", false);
    states = {{"exp_avg", false}, {"exp_avg_sq", false}};
  } else {
    lr_decay_ = read(args, "lr_decay", 0);
    eps_ = read(args, "eps", 1e-10);
    const double start = read(args, "initial_accumulator", 0);
    if (start != 0) initial = {Init::uniform, start, start};
    states = {{"sum", kind_ == RuleKind::rowwise_adagrad}};
  }
}

RuleStep Rule::at(double lr, int64_t step) const {
  if (step < 1) fail(Code::argument, "step: expected an integer >= 1, received %lld", static_cast<long long>(step));
  const double before = static_cast<double>(step - 1);
  const bool lazy = target_ == tables && !whole_;
  RuleStep s;
  s.kind = kind_;
  s.eps = static_cast<float>(eps_);
  s.momentum = static_cast<float>(momentum_);
  if (decoupled_)
    s.shrink = static_cast<float>(1 - lr * weight_decay_);
  else
    s.weight_decay = static_cast<float>(weight_decay_);
  if (kind_ == RuleKind::adam) {
    s.beta2 = static_cast<float>(beta2_);
    s.new1 = static_cast<float>(1 - beta1_);
    s.new2 = static_cast<float>(1 - beta2_);
    const double bias1 = 1 - std::pow(beta1_, static_cast<double>(step));
    const double bias2 = std::sqrt(1 - std::pow(beta2_, static_cast<double>(step)));
    s.lr = static_cast<float>(lazy ? lr * bias2 / bias1 : lr / bias1);
    s.bias2 = static_cast<float>(lazy ? 1 : bias2);
  } else {
    s.lr = static_cast<float>(lr / (1 + before * lr_decay_));
    s.beta = static_cast<float>(beta_);
    s.l1 = static_cast<float>(l1_);
    s.l2 = static_cast<float>(l2_);
  }
  return s;
}

}  // namespace dlrm
