#include "ops/dense_update/dense_update.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/registry.h"
#include "optim/rule.h"

namespace dlrm {
namespace {

const VariantTable<DenseUpdateKernels> kVariants = {{
    &dense_update_scalar,
    DLRM_X86(&dense_update_avx2),
    DLRM_X86(&dense_update_avx512),
}};

constexpr int64_t kChunkFloats = 8192;

// All dense parameters in one call. A parameter whose gradient is null is left as it is.
class DenseUpdate : public Op {
 public:
  explicit DenseUpdate(const MakeArgs& args)
      : kernels_(kVariants.pick(args.isa)), cuda_(cuda_kernels<DenseUpdateCuda>(args)), rule_(args, Rule::dense) {
    args.expect_inputs(0);
    const std::vector<std::string> names = args.attrs.texts(args.op, "names");
    const std::vector<int64_t> sizes = args.attrs.sizes(args.op, "sizes");
    if (names.size() != sizes.size())
      fail(Code::shape, "[%s] sizes: expected one for each of the %zu names, received %zu", args.op, names.size(),
           sizes.size());
    tensors_ = static_cast<int64_t>(names.size());
    for (size_t i = 0; i < names.size(); ++i) params.push_back({names[i], {sizes[i]}, {}, false});
    for (const RuleState& state : rule_.states)
      for (size_t i = 0; i < names.size(); ++i)
        params.push_back({names[i] + "." + state.name, {sizes[i]}, rule_.initial, false});
    for (int64_t i = 0; i < tensors_; ++i) {
      for (int64_t k = 0; k < sizes[i]; k += kChunkFloats)
        chunks_.push_back({i, {k, std::min(sizes[i], k + kChunkFloats)}});
      floats_ += sizes[i];
    }
    differentiable = false;
    constants_bytes = sizeof(RuleStep);
  }

  size_t scratch_bytes(const Run& run) const override {
    if (!run.squares) return 0;
    if (cuda_) return cuda_->scratch_bytes(tensors(run).data(), tensors_);
    return chunks_.size() * sizeof(double);
  }

  void write_constants(const Run& run, void* to) const override {
    const RuleStep step = rule_step(run);
    memcpy(to, &step, sizeof step);
  }

  void forward(const Run& run) const override {
    if (cuda_) return launch(run);
    if (run.squares) return add_squares(run);
    const RuleStep step = rule_step(run);
    int64_t floats = 0;
    for (int64_t i = 0; i < tensors_; ++i) floats += run.dparams[i] ? run.dparams[i].rows * run.dparams[i].cols : 0;
    if (!floats) return;
    for_chunks(run.pool, static_cast<int64_t>(chunks_.size()), 0.4 * static_cast<double>(floats), [&](int64_t i) {
      const Chunk& chunk = chunks_[static_cast<size_t>(i)];
      if (run.dparams[chunk.tensor]) kernels_.update(tensor(run, chunk.tensor, step), chunk.range);
    });
  }

  void update_part(const Run& run, size_t i, Range rows, Range cols, const View& gradient) const override {
    DenseUpdateArgs a = tensor(run, static_cast<int64_t>(i), rule_step(run));
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t first = r * run.dparams[i].cols + cols.begin;
      a.g = gradient.row(r - rows.begin) - first;  // the kernel counts from the tensor's start
      kernels_.update(a, {first, first + cols.end - cols.begin});
    }
  }

  Cost cost(const Run&, bool) const override {
    const double n = static_cast<double>(floats_), states = static_cast<double>(rule_.states.size());
    return {n * (2 + 4 * states), n * 4 * (3 + 2 * states)};
  }

 private:
  struct Chunk {
    int64_t tensor;
    Range range;
  };

  RuleStep rule_step(const Run& run) const {
    RuleStep step = rule_.at(run.lr, run.step);
    step.scale = run.scale;
    return step;
  }

  std::vector<DenseUpdateTensor> tensors(const Run& run) const {
    std::vector<DenseUpdateTensor> all;
    for (int64_t i = 0; i < tensors_; ++i) {
      const DenseUpdateArgs a = tensor(run, i, {});
      all.push_back({a.w, a.g, {a.state[0], a.state[1]}, run.params[i].rows * run.params[i].cols});
    }
    return all;
  }

  void launch(const Run& run) const {
    const std::vector<DenseUpdateTensor> all = tensors(run);
    if (run.squares) return cuda_->squares(all.data(), tensors_, run.squares, run.scratch, run.stream);
    cuda_->update(all.data(), tensors_, rule_.kind(), static_cast<const RuleStep*>(run.constants), run.scale_at, run.stream);
  }

  DenseUpdateArgs tensor(const Run& run, int64_t i, const RuleStep& step) const {
    DenseUpdateArgs a{run.params[i].f32(), run.dparams[i].f32(), {}, step};
    for (size_t s = 0; s < rule_.states.size(); ++s)
      a.state[s] = run.params[static_cast<int64_t>(s + 1) * tensors_ + i].f32();
    return a;
  }

  void add_squares(const Run& run) const {
    auto* parts = static_cast<double*>(run.scratch);
    for_chunks(run.pool, static_cast<int64_t>(chunks_.size()), 0.2 * static_cast<double>(floats_), [&](int64_t i) {
      const Chunk& chunk = chunks_[static_cast<size_t>(i)];
      const float* g = run.dparams[chunk.tensor].f32();
      parts[i] = g ? kernels_.squares(g + chunk.range.begin, chunk.range.end - chunk.range.begin) : 0;
    });
    for (size_t i = 0; i < chunks_.size(); ++i) *run.squares += parts[i];
  }

  const DenseUpdateKernels& kernels_;
  const DenseUpdateCuda* const cuda_;
  Rule rule_;
  int64_t tensors_, floats_ = 0;
  std::vector<Chunk> chunks_;
};

}  // namespace

std::unique_ptr<Op> make_dense_update(const MakeArgs& args) { return std::make_unique<DenseUpdate>(args); }

}  // namespace dlrm
