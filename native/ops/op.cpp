#include "ops/op.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/table_rows.h"

namespace dlrm {

template <class T>
const T* Attrs::find(const char* op, const char* name, const char* expected) const {
  asked_[name] = true;
  const auto item = items_.find(name);
  if (item == items_.end()) return nullptr;
  if (const T* value = std::get_if<T>(&item->second)) return value;
  fail(Code::argument, "[%s] %s: expected %s", op, name, expected);
}

double Attrs::number(const char* op, const char* name, double fallback) const {
  const double* value = find<double>(op, name, "a number");
  return value ? *value : fallback;
}

bool Attrs::flag(const char* op, const char* name, bool fallback) const {
  const bool* value = find<bool>(op, name, "true or false");
  return value ? *value : fallback;
}

std::string Attrs::text(const char* op, const char* name, const std::string& fallback) const {
  const std::string* value = find<std::string>(op, name, "a string");
  return value ? *value : fallback;
}

std::vector<double> Attrs::numbers(const char* op, const char* name) const {
  const auto* value = find<std::vector<double>>(op, name, "an array of numbers");
  return value ? *value : std::vector<double>();
}

std::vector<int64_t> Attrs::sizes(const char* op, const char* name) const {
  std::vector<int64_t> sizes;
  for (const double size : numbers(op, name)) {
    if (!(size >= 0 && size <= 0x1p53 && size == std::floor(size)))
      fail(Code::argument, "[%s] %s: expected integers >= 0, received %g", op, name, size);
    sizes.push_back(static_cast<int64_t>(size));
  }
  return sizes;
}

std::vector<std::string> Attrs::texts(const char* op, const char* name) const {
  const auto* value = find<std::vector<std::string>>(op, name, "an array of strings");
  return value ? *value : std::vector<std::string>();
}

Init Attrs::init(const char* op, const Init& fallback, const char* name) const {
  const std::string scale_name = std::string(name) + "_scale", kind = text(op, name, "");
  const double scale = number(op, scale_name.c_str(), 0);
  if (!std::isfinite(scale) || (scale < 0 && kind != "constant"))
    fail(Code::argument, "[%s] %s: expected a finite number, >= 0 unless %s is constant, received %g", op, scale_name.c_str(), name,
         scale);
  if (kind.empty()) return fallback;
  if (kind == "uniform") return {Init::uniform, -scale, scale};
  if (kind == "normal") return {Init::normal, 0, scale};
  if (kind == "constant") return {Init::uniform, scale, scale};
  fail(Code::argument, "[%s] %s: expected uniform, normal or constant, received \"%s\"", op, name, kind.c_str());
}

void Attrs::done(const char* op) const {
  for (const auto& item : items_)
    if (!asked_.count(item.first)) fail(Code::argument, "[%s] %s: no such option", op, item.first.c_str());
}

bool SparseUpdate::reads_positions() const {
  return std::find(modes.begin(), modes.end(), "max") != modes.end();
}

MakeArgs sparse_update_args(const Op& op, const SparseUpdate& update, const ValueSpec& bags, Attrs rule) {
  const auto names = [&op](const std::vector<int>& params) {
    std::vector<std::string> all;
    for (const int p : params) all.push_back(op.params[static_cast<size_t>(p)].name);
    return all;
  };
  const auto numbers = [](const std::vector<int64_t>& sizes) { return std::vector<double>(sizes.begin(), sizes.end()); };
  std::vector<double> rows;
  for (const int p : update.params) rows.push_back(static_cast<double>(op.params[static_cast<size_t>(p)].dims[0]));
  MakeArgs args;
  args.attrs = std::move(rule);
  args.attrs.set("names", names(update.params));
  args.attrs.set("dtype", std::string(dtype_name(op.params[static_cast<size_t>(update.params[0])].dtype)));
  args.attrs.set("scale_names", names(update.scale_params));
  args.attrs.set("rows", rows);
  args.attrs.set("widths", numbers(update.widths));
  args.attrs.set("columns", numbers(update.columns));
  args.attrs.set("tables", numbers(update.tables));
  args.attrs.set("modes", update.modes);
  args.attrs.set("per_lookup", update.gradient == SparseUpdate::per_lookup);
  args.attrs.set("shared_gradient", update.gradient == SparseUpdate::shared);
  args.inputs = {bags, op.outputs[0]};
  if (update.gradient == SparseUpdate::per_lookup) args.inputs[1] = {kPerLookup, op.dlookup_cols};
  if (update.reads_positions()) args.inputs.push_back(op.saved[0]);
  return args;
}

void Op::backward(const Run&) const { fail(Code::state, "this op has no backward pass"); }

void MakeArgs::expect_inputs(size_t count) const {
  if (inputs.size() != count)
    fail(Code::shape, "[%s] %s: expected %zu inputs, received %zu", op, name.c_str(), count, inputs.size());
}

const ValueSpec& MakeArgs::matrix(size_t i, int64_t cols) const {
  const ValueSpec& spec = inputs[i];
  if (spec.tables) fail(Code::shape, "[%s] %s: input %zu: expected a matrix, received bags", op, name.c_str(), i);
  if (cols >= 0 && spec.cols != cols)
    fail(Code::shape, "[%s] %s: input %zu: expected %lld columns, received %lld", op, name.c_str(), i,
         static_cast<long long>(cols), static_cast<long long>(spec.cols));
  return spec;
}

const ValueSpec& MakeArgs::bags(size_t i) const {
  if (!inputs[i].tables) fail(Code::shape, "[%s] %s: input %zu: expected bags, received a matrix", op, name.c_str(), i);
  return inputs[i];
}

const void* find_cuda_kernels(const char* op, Device device) {
  if (device == Device::cpu) return nullptr;
  const void* kernels = cuda_plugin().kernels(op);
  if (!kernels) fail(Code::argument, "[%s] device: this op has no CUDA kernels; use device \"cpu\"", op);
  return kernels;
}

std::unique_ptr<Op> make_op(const std::string& op, MakeArgs args) {
  for (const OpDef& def : registry()) {
    if (op != def.name) continue;
    args.op = def.name;
    find_cuda_kernels(def.name, args.device);  // before what may not know of devices
    auto made = def.make(args);
    args.attrs.done(def.name);
    return made;
  }
  fail(Code::argument, "op: there is no op \"%s\"", op.c_str());
}

}  // namespace dlrm
