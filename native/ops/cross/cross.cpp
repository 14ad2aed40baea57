#include "ops/cross/cross.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<CrossKernels> kVariants = {{
    &cross_scalar,
    DLRM_X86(&cross_avx2),
    DLRM_X86(&cross_avx512),
}};

constexpr int64_t kRowsPerChunk = 128, kMaxChunks = 64;
constexpr double kNsPerProduct = 0.04;

class Cross : public Op {
 public:
  explicit Cross(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)) {
    args.expect_inputs(1);
    cols_ = args.matrix(0).cols;
    if (cols_ < 1) fail(Code::shape, "[cross] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
    const double layers = args.attrs.number(args.op, "layers", 1);
    if (!(layers >= 1 && layers <= kMaxCrossLayers && layers == std::floor(layers)))
      fail(Code::argument, "[cross] %s: layers: expected an integer from 1 to %lld, received %g", args.name.c_str(),
           static_cast<long long>(kMaxCrossLayers), layers);
    layers_ = static_cast<int64_t>(layers);
    const Init init = args.attrs.init(args.op, {Init::normal, 0, std::sqrt(2 / (static_cast<double>(cols_) + 1))});
    for (int64_t l = 0; l < layers_; ++l) {
      const std::string prefix = args.name + "." + std::to_string(l);
      params.push_back({prefix + ".weight", {cols_}, init});
      params.push_back({prefix + ".bias", {cols_}, {}});
    }
    stride_ = (cols_ + 15) / 16 * 16;
    packed_floats = (layers_ + 1) * stride_ + layers_;
    outputs = {{kPerExample, cols_}};
    saved = {{kPerExample, layers_}};
    backward_reads_outputs = false;
  }

  void prepare(const Run& run) const override {
    float *w = run.packed, *beta = w + layers_ * stride_, *c = beta + stride_;
    std::fill(w, beta + stride_, 0.0f);
    for (int64_t l = 0; l < layers_; ++l, w += stride_) {
      const float *weight = weight_of(run.params, l), *bias = bias_of(run.params, l);
      double dot = 0;
      for (int64_t k = 0; k < cols_; ++k) dot += static_cast<double>(beta[k]) * static_cast<double>(weight[k]);
      c[l] = static_cast<float>(dot);
      for (int64_t k = 0; k < cols_; ++k) w[k] = weight[k], beta[k] += bias[k];
    }
  }

  void forward(const Run& run) const override {
    const CrossForward a{run.out[0], run.in[0].view, run.saved[0], weights(run)};
    each_chunk(run, 2, [&](int64_t, Range rows) { kernels_.forward(a, rows); });
  }

  void backward(const Run& run) const override {
    each_chunk(run, 4, [&](int64_t chunk, Range rows) {
      float* to = sums(run, chunk);
      const CrossBackward a{run.din[0],   run.dout[0], run.in[0].view,         run.saved[0],
                            weights(run), to,          to + layers_ * stride_, to + (layers_ + 1) * stride_};
      kernels_.backward(a, rows);
    });
    parameter_gradients(run);
  }

  size_t scratch_bytes(const Run& run) const override {
    return static_cast<size_t>(std::max<int64_t>(1, chunks(run)) * sums_floats()) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    const double b = static_cast<double>(run.batch), n = static_cast<double>(cols_), l = static_cast<double>(layers_);
    return backward ? Cost{b * n * (3 + 4 * l), 4 * b * 3 * n} : Cost{b * n * (2 + 2 * l), 4 * b * 2 * n};
  }

 private:
  static const float* weight_of(const View* params, int64_t l) { return params[2 * l].f32(); }
  static const float* bias_of(const View* params, int64_t l) { return params[2 * l + 1].f32(); }

  CrossWeights weights(const Run& run) const {
    const float* beta = run.packed + layers_ * stride_;
    return {run.packed, beta + stride_, beta, layers_, stride_};
  }

  // dw of all layers, S and A of one chunk.
  int64_t sums_floats() const { return (layers_ + 1) * stride_ + (layers_ + 15) / 16 * 16; }
  float* sums(const Run& run, int64_t chunk) const { return static_cast<float*>(run.scratch) + chunk * sums_floats(); }
  int64_t chunks(const Run& run) const { return std::min(kMaxChunks, (run.batch + kRowsPerChunk - 1) / kRowsPerChunk); }

  template <class F>
  void each_chunk(const Run& run, double passes, F&& kernel) const {
    const int64_t n = chunks(run);
    const double products = static_cast<double>(run.batch * cols_ * (layers_ + 1));
    for_chunks(run.pool, n, products * passes * kNsPerProduct, [&](int64_t i) { kernel(i, chunk_range(run.batch, n, i)); });
  }

  void parameter_gradients(const Run& run) const {
    float* total = sums(run, 0);
    if (!chunks(run)) std::fill(total, total + sums_floats(), 0.0f);
    for (int64_t i = 1; i < chunks(run); ++i) {
      const float* more = sums(run, i);
      for (int64_t k = 0; k < sums_floats(); ++k) total[k] += more[k];
    }
    float *dbeta = total + layers_ * stride_, *a = dbeta + stride_;
    for (int64_t l = layers_ - 1; l >= 0; --l) {
      const float* w = weight_of(run.params, l);
      if (const View& dbias = run.dparams[2 * l + 1]) std::copy(dbeta, dbeta + cols_, dbias.f32());
      for (int64_t k = 0; k < cols_; ++k) dbeta[k] += a[l] * w[k];
    }
    float* beta = dbeta;  // no longer needed: beta_l is built up again in its place
    std::fill(beta, beta + cols_, 0.0f);
    for (int64_t l = 0; l < layers_; ++l) {
      const float *bias = bias_of(run.params, l), *sum = total + l * stride_;
      const View& dweight = run.dparams[2 * l];
      for (int64_t k = 0; k < cols_; ++k) {
        if (dweight) dweight.f32()[k] = sum[k] + a[l] * beta[k];
        beta[k] += bias[k];
      }
    }
  }

  const CrossKernels& kernels_;
  int64_t cols_, layers_, stride_;
};

}  // namespace

std::unique_ptr<Op> make_cross(const MakeArgs& args) { return std::make_unique<Cross>(args); }

}  // namespace dlrm
