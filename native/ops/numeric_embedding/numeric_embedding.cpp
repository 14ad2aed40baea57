#include "ops/numeric_embedding/numeric_embedding.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/isa.h"
#include "ops/fields.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<NumericEmbeddingKernels> kVariants = {{
    &numeric_embedding_scalar,
    DLRM_X86(&numeric_embedding_avx2),
    DLRM_X86(&numeric_embedding_avx512),
}};

constexpr int64_t kRowsPerChunk = 32, kMostChunks = 64;

class NumericEmbedding : public Op {
 public:
  explicit NumericEmbedding(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    args.expect_inputs(1);
    columns_ = args.matrix(0).cols;
    if (columns_ < 1)
      fail(Code::shape, "[numeric_embedding] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
    width_ = width_attr(args);
    const double bound = std::sqrt(1 / static_cast<double>(columns_));
    params = {{args.name + ".weight", {columns_, width_}, args.attrs.init(args.op, {Init::uniform, -bound, bound})}};
    outputs = {{kPerExample, columns_ * width_}};
    backward_reads_outputs = false;
  }

  void forward(const Run& run) const override {
    const NumericEmbeddingForward a{run.out[0], run.in[0].view, run.params[0]};
    const int64_t chunks = row_chunks(run.batch, columns_ * width_);
    for_chunks(run.pool, chunks, elements(run) * kernels_.ns,
               [&](int64_t i) { kernels_.forward(a, chunk_range(run.batch, chunks, i)); });
  }

  void backward(const Run& run) const override {
    const View& dweight = run.dparams[0];
    const NumericEmbeddingBackward a{run.din[0], run.dout[0], run.in[0].view, run.params[0], nullptr};
    if (!a.dx && !dweight) return;
    const int64_t chunks = chunks_of(run.batch);
    for_chunks(run.pool, chunks, 2 * elements(run) * kernels_.ns, [&](int64_t i) {
      NumericEmbeddingBackward chunk = a;
      if (dweight) chunk.sums = static_cast<float*>(run.scratch) + i * sums();
      kernels_.backward(chunk, chunk_range(run.batch, chunks, i));
    });
    if (dweight) kernels_.add_sums(static_cast<const float*>(run.scratch), chunks, dweight);
  }

  size_t scratch_bytes(const Run& run) const override {
    return static_cast<size_t>(chunks_of(run.batch) * sums()) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    const auto b = static_cast<double>(run.batch), columns = static_cast<double>(columns_);
    return backward ? Cost{4 * elements(run), 4 * (elements(run) + 2 * b * columns)}
                    : Cost{elements(run), 4 * (elements(run) + b * columns)};
  }

 private:
  double elements(const Run& run) const { return static_cast<double>(run.batch * columns_ * width_); }
  int64_t sums() const { return columns_ * ((width_ + kernels_.lanes - 1) / kernels_.lanes * kernels_.lanes); }
  int64_t chunks_of(int64_t batch) const { return std::min(kMostChunks, (batch + kRowsPerChunk - 1) / kRowsPerChunk); }

  const NumericEmbeddingKernels& kernels_;
  int64_t columns_, width_;
};

}  // namespace

std::unique_ptr<Op> make_numeric_embedding(const MakeArgs& args) { return std::make_unique<NumericEmbedding>(args); }

}  // namespace dlrm
