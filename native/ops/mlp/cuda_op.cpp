// mlp on a GPU: which kernels, in which order, on which memory. Saved are the packed inputs of all layers; scratch holds the
// packed dz of all layers, and the parts of one product.
#include <algorithm>

#include "base/memory.h"
#include "ops/mlp/layers.h"
#include "ops/mlp/cuda.h"
#include "ops/op.h"
#include "ops/precision.h"

namespace dlrm {
namespace {

using Product = MlpCudaProduct;

class MlpOnCuda : public Op {
 public:
  explicit MlpOnCuda(const MakeArgs& args) : kernels_(*cuda_kernels<MlpCuda>(args)), bf16_(precision_attr(args) == Precision::bf16) {
    MlpLayers given(args);
    has_bias_ = given.bias;
    params = std::move(given.params);
    layers_ = std::move(given.layers);
    for (const MlpLayers::Layer& layer : layers_) {
      packed_at_.push_back(packed_floats);
      packed_floats += aligned(layer.outputs * floats(stride(layer.inputs)));
      saved.push_back({kPerExample, floats(stride(layer.inputs))});
    }
    outputs = {{kPerExample, layers_.back().outputs}};
    backward_reads_inputs = false;
    backward_reads_outputs = layers_.back().activation != Activation::none;
  }

  void prepare(const Run& run) const override {
    MlpCudaPacking packing;
    for (size_t l = 0; l < layers_.size(); ++l) {
      add(run, packing, {run.params[weight_of(l)], {}, weights(run, l), Activation::none});
    }
    flush(run, packing);
  }

  void forward(const Run& run) const override {
    pack(run, {run.in[0].view, {}, input(run, 0), Activation::none});
    for (size_t l = 0; l < layers_.size(); ++l) {
      Product p = product(Product::forward, run, input(run, l), weights(run, l), run.batch, layers_[l].outputs, layers_[l].inputs);
      p.activation = layers_[l].activation;
      if (has_bias_) p.bias = run.params[2 * l + 1].f32();
      if (l + 1 < layers_.size())
        p.packed = input(run, l + 1);
      else
        p.out = run.out[0];
      kernels_.product(p, run.stream);
    }
  }

  void backward(const Run& run) const override {
    const size_t top = layers_.size() - 1;
    const bool sloped = layers_[top].activation != Activation::none;
    pack(run, {run.dout[0], sloped ? run.out[0] : View{}, dz(run, top), layers_[top].activation});
    for (size_t l = top + 1; l-- > 0;) {
      weight_gradient(run, l);
      if (l || run.din[0]) input_gradient(run, l);
    }
  }

  // Grows with the batch: what serves the largest serves all.
  size_t scratch_bytes(const Run& run) const override {
    int64_t parts = 0;
    for (const MlpLayers::Layer& layer : layers_) {
      parts = std::max(parts, mlp_most_parts(bf16_, run.batch, layer.outputs, layer.inputs));
      if (!run.dout) continue;
      parts = std::max(parts, mlp_most_parts(bf16_, run.batch, layer.inputs, layer.outputs));
      parts = std::max(parts, mlp_most_parts(bf16_, layer.outputs, layer.inputs, run.batch));
    }
    return static_cast<size_t>(dz_floats(run, layers_.size()) + parts) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    double values = static_cast<double>(layers_[0].inputs), weights = 0;
    for (const MlpLayers::Layer& layer : layers_) {
      values += static_cast<double>(layer.outputs);
      weights += static_cast<double>(layer.outputs * layer.inputs);
    }
    const double b = static_cast<double>(run.batch), first = static_cast<double>(layers_[0].outputs * layers_[0].inputs);
    const double products = backward ? 2 * weights - (run.din && run.din[0] ? 0 : first) : weights;
    return {2 * b * products, (bf16_ ? 2 : 4) * (backward ? 2 : 1) * (b * values + weights)};
  }

 private:
  static constexpr int64_t aligned(int64_t floats) { return static_cast<int64_t>(align_up(static_cast<size_t>(floats) * 4) / 4); }

  size_t weight_of(size_t layer) const { return has_bias_ ? 2 * layer : layer; }  // in Op::params
  int64_t stride(int64_t cols) const { return mlp_packed_stride(cols, bf16_); }
  int64_t floats(int64_t elements) const { return bf16_ ? elements / 2 : elements; }

  MlpPacked weights(const Run& run, size_t l) const { return {run.packed + packed_at_[l], stride(layers_[l].inputs)}; }
  MlpPacked input(const Run& run, size_t l) const { return {run.saved[l].data, stride(layers_[l].inputs)}; }

  // Of the layers below `count`, if there is a backward pass at all.
  int64_t dz_floats(const Run& run, size_t count) const {
    int64_t sum = 0;
    for (size_t l = 0; run.dout && l < count; ++l) sum += aligned(run.batch * floats(stride(layers_[l].outputs)));
    return sum;
  }
  MlpPacked dz(const Run& run, size_t l) const {
    return {static_cast<float*>(run.scratch) + dz_floats(run, l), stride(layers_[l].outputs)};
  }

  void add(const Run& run, MlpCudaPacking& packing, const MlpCudaPacking::Item& item) const {
    packing.items[packing.count++] = item;
    if (packing.count == MlpCudaPacking::kMost) flush(run, packing);
  }
  void flush(const Run& run, MlpCudaPacking& packing) const {
    packing.bf16 = bf16_;
    if (packing.count) kernels_.pack(packing, run.stream);
    packing.count = 0;
  }
  void pack(const Run& run, const MlpCudaPacking::Item& item) const {
    MlpCudaPacking packing;
    add(run, packing, item);
    flush(run, packing);
  }

  Product product(Product::Pass pass, const Run& run, MlpPacked a, MlpPacked b, int64_t rows, int64_t cols, int64_t depth) const {
    Product p;
    p.pass = pass;
    p.bf16 = bf16_;
    p.a = a;
    p.b = b;
    p.rows = rows;
    p.cols = cols;
    p.depth = depth;
    p.plan = mlp_plan(pass, bf16_, rows, cols, depth);
    p.parts = static_cast<float*>(run.scratch) + dz_floats(run, layers_.size());
    return p;
  }

  void weight_gradient(const Run& run, size_t l) const {
    Product p = product(Product::weight_gradient, run, dz(run, l), input(run, l), layers_[l].outputs, layers_[l].inputs, run.batch);
    p.out = run.dparams[weight_of(l)];
    if (has_bias_) p.dbias = run.dparams[2 * l + 1].f32();
    if (p.out || p.dbias) kernels_.product(p, run.stream);
  }

  void input_gradient(const Run& run, size_t l) const {
    Product p = product(Product::input_gradient, run, dz(run, l), weights(run, l), run.batch, layers_[l].inputs, layers_[l].outputs);
    if (l) {
      p.activation = layers_[l - 1].activation;
      p.gate = input(run, l);
      p.packed = dz(run, l - 1);
    } else {
      p.out = run.din[0];
    }
    kernels_.product(p, run.stream);
  }

  const MlpCuda& kernels_;
  const bool bf16_;
  bool has_bias_;
  std::vector<MlpLayers::Layer> layers_;
  std::vector<int64_t> packed_at_;
};

}  // namespace

std::unique_ptr<Op> make_mlp_on_cuda(const MakeArgs& args) { return std::make_unique<MlpOnCuda>(args); }

}  // namespace dlrm
