#include "ops/field_weighted_pair/field_weighted_pair.h"

#include <algorithm>
#include <cmath>

#include "base/isa.h"
#include "ops/fields.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<FieldWeightedPairKernels> kVariants = {{
    &field_weighted_pair_scalar,
    DLRM_X86(&field_weighted_pair_avx2),
    DLRM_X86(&field_weighted_pair_avx512),
}};

// Of forward, and of backward: enough to share among the threads, few enough for the sums of each to stay small.
constexpr int64_t kRowsPerChunk = 32, kMostChunks = 64;

class FieldWeightedPair : public Op {
 public:
  explicit FieldWeightedPair(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), fields_(fields_of(args, 2)) {
    pairs_ = fields_.count * (fields_.count - 1) / 2;
    const Init fallback{Init::normal, 0, std::sqrt(2 / (static_cast<double>(pairs_) + 1))};
    params = {{args.name + ".weight", {pairs_}, args.attrs.init(args.op, fallback)}};
    outputs = {{kPerExample, 1}};
    packed_floats = fields_.count + 1 + 2 * pairs_;
    backward_reads_outputs = false;
  }

  // packed: begin [F+1], column [P], weight [P] of the pairs whose weight is not 0.
  void prepare(const Run& run) const override {
    const float* weight = run.params[0].f32();
    auto* begin = reinterpret_cast<int32_t*>(run.packed);
    int32_t *column = begin + fields_.count + 1, count = 0;
    float* weights = run.packed + fields_.count + 1 + pairs_;
    begin[0] = 0;
    for (int64_t i = 0, p = 0; i < fields_.count; ++i) {
      for (int64_t j = 0; j < i; ++j, ++p) {
        if (weight[p] == 0) continue;
        column[count] = static_cast<int32_t>(j * fields_.width);
        weights[count++] = weight[p];
      }
      begin[i + 1] = count;
    }
  }

  void forward(const Run& run) const override {
    const auto* begin = reinterpret_cast<const int32_t*>(run.packed);
    const PairList pairs{begin, begin + fields_.count + 1, run.packed + fields_.count + 1 + pairs_};
    const FieldWeightedForward a{run.out[0], run.in[0].view, pairs, fields_.count, fields_.width};
    const int64_t chunks = (run.batch + kRowsPerChunk - 1) / kRowsPerChunk;
    const double work = static_cast<double>(run.batch * fields_.width) * begin[fields_.count];
    for_chunks(run.pool, chunks, kernels_.ns * work,
               [&](int64_t i) { kernels_.forward(a, chunk_range(run.batch, chunks, i)); });
  }

  void backward(const Run& run) const override {
    const View &dx = run.din[0], &dweight = run.dparams[0];
    FieldWeightedBackward a{dx, run.dout[0], run.in[0].view, run.params[0].f32(), nullptr, fields_.count, fields_.width};
    const int64_t chunks = chunks_of(run.batch);
    const double work = static_cast<double>(run.batch * fields_.width * pairs_);
    for_chunks(run.pool, chunks, 3 * kernels_.ns * work, [&](int64_t i) {
      FieldWeightedBackward chunk = a;
      if (dweight) chunk.sums = static_cast<float*>(run.scratch) + i * sums();
      kernels_.backward(chunk, chunk_range(run.batch, chunks, i));
    });
    if (dweight) kernels_.add_sums(static_cast<const float*>(run.scratch), chunks, sums(), dweight.f32(), pairs_);
  }

  size_t scratch_bytes(const Run& run) const override {
    return static_cast<size_t>(chunks_of(run.batch) * sums()) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch), cols = static_cast<double>(fields_.count * fields_.width);
    const double flops = 2 * b * static_cast<double>(pairs_ * fields_.width);
    return backward ? Cost{3 * flops, 4 * b * (2 * cols + 1)} : Cost{flops, 4 * b * (cols + 1)};
  }

 private:
  int64_t sums() const { return pairs_ * kernels_.lanes; }
  int64_t chunks_of(int64_t batch) const { return std::min(kMostChunks, (batch + kRowsPerChunk - 1) / kRowsPerChunk); }

  const FieldWeightedPairKernels& kernels_;
  const Fields fields_;
  int64_t pairs_;
};

}  // namespace

std::unique_ptr<Op> make_field_weighted_pair(const MakeArgs& args) { return std::make_unique<FieldWeightedPair>(args); }

}  // namespace dlrm
