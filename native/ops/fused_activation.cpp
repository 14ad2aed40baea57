#include "ops/fused_activation.h"

#include "base/error.h"

namespace dlrm {

Activation activation_attr(const MakeArgs& args, const char* attr, const char* fallback) {
  const std::string name = args.attrs.text(args.op, attr, fallback);
  if (name == "relu") return Activation::relu;
  if (name == "sigmoid") return Activation::sigmoid;
  if (name == "tanh") return Activation::tanh;
  if (name == "none") return Activation::none;
  fail(Code::argument, "[%s] %s: %s: expected relu, sigmoid, tanh or none, received \"%s\"", args.op, args.name.c_str(),
       attr, name.c_str());
}

}  // namespace dlrm
