#include "ops/cross_v2/cross_v2.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/cross_v2/layer.h"
#include "ops/mlp/mlp.h"
#include "ops/row_blocks.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<CrossV2Kernels> kVariants = {{
    &cross_v2_scalar,
    DLRM_X86(&cross_v2_avx2),
    DLRM_X86(&cross_v2_avx512),
}};
const VariantTable<MlpKernels> kProducts = {{
    &mlp_scalar,
    DLRM_X86(&mlp_avx2),
    DLRM_X86(&mlp_avx512),
}};

constexpr int64_t kMaxLayers = 64, kMaxRank = 1 << 20;

int64_t count_attr(const MakeArgs& args, const char* attr, int64_t least, int64_t most, double fallback) {
  const double value = args.attrs.number(args.op, attr, fallback);
  if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most) && value == std::floor(value)))
    fail(Code::argument, "[cross_v2] %s: %s: expected an integer from %lld to %lld, received %g", args.name.c_str(), attr,
         static_cast<long long>(least), static_cast<long long>(most), value);
  return static_cast<int64_t>(value);
}

// Sums over the batch of dz_i x_j, as strips of rows to be shared among the threads.
struct GradientJob {
  MlpWeightGradient sums;
  Range outputs;
};

class CrossV2 : public Op {
 public:
  explicit CrossV2(const MakeArgs& args) : kernels_(kVariants.pick(args.isa)), products_(kProducts.pick(args.isa)) {
    args.expect_inputs(1);
    shape_.strip = products_.strip;
    shape_.cols = args.matrix(0).cols;
    if (shape_.cols < 1) fail(Code::shape, "[cross_v2] %s: input 0: expected at least 1 column, received 0", args.name.c_str());
    layers_ = count_attr(args, "layers", 1, kMaxLayers, 1);
    shape_.rank = count_attr(args, "rank", 0, kMaxRank, 0);
    shape_.experts = count_attr(args, "experts", 0, kMaxExperts, 0);
    if (shape_.experts && !shape_.rank)
      fail(Code::argument, "[cross_v2] %s: experts: expected a rank >= 1 with them, received none", args.name.c_str());
    for (int64_t l = 0; l < layers_; ++l) add_params(args, args.name + "." + std::to_string(l) + ".");
    packed_floats = layers_ * shape_.packed_floats();
    outputs = {{kPerExample, shape_.cols}};
    add_saved();
    backward_reads_inputs = backward_reads_outputs = false;
  }

  void prepare(const Run& run) const override {
    for_chunks(run.pool, layers_, static_cast<double>(packed_floats) / 2, [&](int64_t l) {
      float* packed = packed_of(run, l);
      const View& bias = run.params[param(l, kBias)];
      for (int64_t k = 0; k < shape_.width(); ++k) packed[k] = k < shape_.cols ? bias.f32()[k] : 0;
      shape_.rank ? pack_low_rank(run, l, packed) : pack_full(run, l, packed);
    });
  }

  void forward(const Run& run) const override {
    RowBlocks::of(run.batch, run.pool).each(run.pool, flops(run) / kFloatPace.flops, [&](Range rows, Pool* pool) { forward_block(run, rows, pool); });
  }

  void backward(const Run& run) const override {
    RowBlocks::of(run.batch, run.pool).each(run.pool, flops(run) / kFloatPace.flops, [&](Range rows, Pool* pool) { backward_block(run, rows, pool); });
    std::vector<GradientJob> jobs;
    for (int64_t l = 0; l < layers_; ++l) add_jobs(run, l, jobs);
    for_chunks(run.pool, static_cast<int64_t>(jobs.size()), flops(run) / kFloatPace.flops, [&](int64_t i) {
      const GradientJob& job = jobs[static_cast<size_t>(i)];
      products_.weight_gradient(job.sums, job.outputs, {0, strips(job.sums.inputs)});
    });
    for (int64_t l = 0; l < layers_ && shape_.rank; ++l) unpack_gradients(run, l);
  }

  size_t scratch_bytes(const Run& run) const override {
    return static_cast<size_t>(scratch_gradients(run) + layers_ * gradient_floats()) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    const double b = static_cast<double>(run.batch), n = static_cast<double>(shape_.cols);
    return {(backward ? 2 : 1) * flops(run), 4 * (backward ? 2 : 1) * (2 * b * n + weights())};
  }

 private:
  enum Param { kU, kV, kC, kGate, kBias };  // kU: W, if it is full

  int64_t strips(int64_t cols) const { return shape_.pad(cols) / shape_.strip; }
  size_t params_per_layer() const { return shape_.experts ? 5 : shape_.rank ? 3 : 2; }
  size_t param(int64_t l, Param p) const {
    return static_cast<size_t>(l) * params_per_layer() + (p == kBias ? params_per_layer() - 1 : static_cast<size_t>(p));
  }

  void add_params(const MakeArgs& args, const std::string& prefix) {
    const int64_t n = shape_.cols, r = shape_.rank, k = std::max<int64_t>(1, shape_.experts);
    const auto add = [&](const char* name, int64_t rows, int64_t cols, int64_t fans) {
      const Init init = args.attrs.init(args.op, {Init::normal, 0, std::sqrt(2 / static_cast<double>(fans))});
      params.push_back({prefix + name, {rows, cols}, init});
    };
    if (!r) add("weight", n, n, 2 * n);
    if (r) add("U", n, k * r, n + r);
    if (r) add("V", n, k * r, n + r);
    if (shape_.experts) add("C", k * r, r, 2 * r);
    if (shape_.experts) add("gate", k, n, n + 1);
    params.push_back({prefix + "bias", {n}, {}});
  }

  // Per layer: x_l, z_l; low rank: what U multiplies; mixture: h_1 and h_2 of every expert, the gates.
  enum Saved { kX, kZ, kHidden, kFirst, kSecond, kGates };
  size_t saved_per_layer() const { return shape_.experts ? 6 : shape_.rank ? 3 : 2; }
  void add_saved() {
    const int64_t widths[] = {shape_.width(),  shape_.width(),  shape_.hidden(),
                              shape_.hidden(), shape_.hidden(), shape_.experts};
    for (int64_t l = 0; l < layers_; ++l)
      for (size_t i = 0; i < saved_per_layer(); ++i) saved.push_back({kPerExample, widths[i]});
  }
  // Of a block: `cols` numbers of every row before it.
  float* saved_of(const Run& run, int64_t l, Saved what, Range rows) const {
    const View& view = run.saved[static_cast<size_t>(l) * saved_per_layer() + what];
    return view.f32() + rows.begin * view.cols;
  }
  // h_1 lies expert by expert, since the gradient of C reads it so.
  float* expert_of(float* base, const Run& run, int64_t e, Range rows) const {
    return base + (e * run.batch + rows.begin) * shape_.expert();
  }

  float* packed_of(const Run& run, int64_t l) const { return run.packed + l * shape_.packed_floats(); }

  // Scratch of the forward pass: x_L (or z's projection) of each row. Of the backward pass: g, dx_0 and a product of each
  // row, then per layer dz; the gradient of V's (and the gates') product; that of C's, expert by expert. Then sums.
  int64_t temporary() const { return std::max(shape_.width(), shape_.projected()); }
  int64_t layer_scratch() const { return shape_.width() + (shape_.rank ? shape_.projected() + shape_.hidden() : 0); }
  float* temporary_of(const Run& run, int which, Range rows) const {
    return static_cast<float*>(run.scratch) + (which * run.batch + rows.begin) * temporary();
  }
  float* layer_scratch_of(const Run& run, int64_t l) const {
    return static_cast<float*>(run.scratch) + run.batch * (4 * temporary() + l * layer_scratch());
  }
  float* dz_of(const Run& run, int64_t l) const { return layer_scratch_of(run, l); }
  float* dprojected_of(const Run& run, int64_t l) const { return dz_of(run, l) + run.batch * shape_.width(); }
  float* dsecond_of(const Run& run, int64_t l) const { return dprojected_of(run, l) + run.batch * shape_.projected(); }
  int64_t scratch_gradients(const Run& run) const { return run.batch * (4 * temporary() + layers_ * layer_scratch()); }
  int64_t gradient_floats() const { return shape_.rank ? shape_.cols * (shape_.projected() + shape_.hidden()) : 0; }
  View dv_of(const Run& run, int64_t l) const {
    float* base = static_cast<float*>(run.scratch) + scratch_gradients(run) + l * gradient_floats();
    return {base, DType::f32, shape_.cols, shape_.projected(), shape_.projected()};
  }
  View du_of(const Run& run, int64_t l) const {
    const View dv = dv_of(run, l);
    return {dv.f32() + dv.rows * dv.cols, DType::f32, shape_.cols, shape_.hidden(), shape_.hidden()};
  }
  View c_of(const View& c, int64_t e) const {
    return {c.row(e * shape_.rank), DType::f32, shape_.rank, shape_.rank, c.stride};
  }

  void pack_full(const Run& run, int64_t l, float* packed) const {
    const View& w = run.params[param(l, kU)];
    products_.pack_transposed(w, packed + shape_.in_forward(), {0, strips(shape_.cols)}, {0, w.cols});
    products_.pack(w, packed + shape_.in_backward(), {0, strips(shape_.cols)}, {0, w.rows});
  }

  // Every expert starts at a strip of its own; the gates' weights are further columns of V.
  void pack_low_rank(const Run& run, int64_t l, float* packed) const {
    const int64_t n = shape_.cols;
    const View v{packed + shape_.v_plain(), DType::f32, n, shape_.projected(), shape_.projected()};
    const View u{packed + shape_.u_plain(), DType::f32, n, shape_.hidden(), shape_.hidden()};
    std::fill(v.f32(), v.f32() + n * v.cols, 0.0f);
    std::fill(u.f32(), u.f32() + n * u.cols, 0.0f);
    for (int64_t k = 0; k < n; ++k) {
      spread(run.params[param(l, kV)].row(k), v.row(k));
      spread(run.params[param(l, kU)].row(k), u.row(k));
      for (int64_t e = 0; e < shape_.experts; ++e) v.row(k)[shape_.hidden() + e] = run.params[param(l, kGate)].row(e)[k];
    }
    products_.pack(v, packed + shape_.in_forward(), {0, strips(v.cols)}, {0, v.rows});
    products_.pack_transposed(v, packed + shape_.in_backward(), {0, strips(n)}, {0, v.cols});
    products_.pack_transposed(u, packed + shape_.out_forward(), {0, strips(n)}, {0, u.cols});
    products_.pack(u, packed + shape_.out_backward(), {0, strips(u.cols)}, {0, u.rows});
    for (int64_t e = 0; e < shape_.experts; ++e) {
      const View c = c_of(run.params[param(l, kC)], e);
      const int64_t at = e * shape_.rank * shape_.expert();
      products_.pack_transposed(c, packed + shape_.c_forward() + at, {0, strips(shape_.rank)}, {0, c.cols});
      products_.pack(c, packed + shape_.c_backward() + at, {0, strips(shape_.rank)}, {0, c.rows});
    }
  }

  // Columns of all experts, from one row to padded ones and back.
  void spread(const float* row, float* padded) const {
    for (int64_t e = 0; e < std::max<int64_t>(1, shape_.experts); ++e)
      std::copy(row + e * shape_.rank, row + (e + 1) * shape_.rank, padded + e * shape_.expert());
  }
  void gather(const float* padded, float* row) const {
    for (int64_t e = 0; e < std::max<int64_t>(1, shape_.experts); ++e)
      std::copy(padded + e * shape_.expert(), padded + e * shape_.expert() + shape_.rank, row + e * shape_.rank);
  }

  // out = in matrix (+ bias), all of them strips; `cols` padded.
  void product(const float* in, const float* matrix, const float* bias, float* out, Range rows, int64_t depth, int64_t cols,
               Pool* pool) const {
    MlpProduct a{};
    a.in = in;
    a.matrix = matrix;
    a.bias = bias;
    a.out = out;
    a.rows = rows.end - rows.begin;
    a.out_row = shape_.strip;
    a.out_strip = a.rows * shape_.strip;
    a.writable = a.cols = cols;
    a.depth = depth;
    run_product(products_.product, a, strips(cols), kFloatPace, pool);
  }

  void forward_block(const Run& run, Range rows, Pool* pool) const {
    const int64_t n = (rows.end - rows.begin) * shape_.width();
    float* const last = temporary_of(run, 0, rows);
    products_.load_rows(run.in[0].view, saved_of(run, 0, kX, rows), rows);
    for (int64_t l = 0; l < layers_; ++l) {
      const float *packed = packed_of(run, l), *x = saved_of(run, l, kX, rows), *in = x;
      float* const z = saved_of(run, l, kZ, rows);
      if (shape_.rank) in = hidden(run, l, rows, pool);
      const float* matrix = packed + (shape_.rank ? shape_.out_forward() : shape_.in_forward());
      product(in, matrix, packed, z, rows, shape_.rank ? shape_.hidden() : shape_.cols, shape_.width(), pool);
      kernels_.advance(saved_of(run, 0, kX, rows), z, x, l + 1 < layers_ ? saved_of(run, l + 1, kX, rows) : last, n);
    }
    kernels_.store_rows(last, run.out[0], rows);
  }

  // What U multiplies.
  const float* hidden(const Run& run, int64_t l, Range rows, Pool* pool) const {
    const float *packed = packed_of(run, l), *x = saved_of(run, l, kX, rows);
    float* const h = saved_of(run, l, kHidden, rows);
    const int64_t count = rows.end - rows.begin, n = count * shape_.expert();
    float* const t = shape_.experts ? temporary_of(run, 0, rows) : h;
    product(x, packed + shape_.in_forward(), nullptr, t, rows, shape_.cols, shape_.projected(), pool);
    if (!shape_.experts) return h;
    float* const gates = saved_of(run, l, kGates, rows);
    kernels_.softmax(t + count * shape_.hidden(), gates, count, shape_.experts);
    for (int64_t e = 0; e < shape_.experts; ++e) {
      float* const first = expert_of(saved_of(run, l, kFirst, {0, 0}), run, e, rows);
      float* const t2 = t + e * n;
      kernels_.tanh(t2, first, n);
      product(first, packed + shape_.c_forward() + e * shape_.rank * shape_.expert(), nullptr, t2, rows, shape_.rank,
              shape_.expert(), pool);
      kernels_.gate({gates + e, shape_.experts, count, n}, t2, saved_of(run, l, kSecond, rows) + e * n, h + e * n);
    }
    return h;
  }

  void backward_block(const Run& run, Range rows, Pool* pool) const {
    const int64_t n = (rows.end - rows.begin) * shape_.width();
    float *const g = temporary_of(run, 0, rows), *const dx0 = temporary_of(run, 1, rows), *const dx = temporary_of(run, 2, rows);
    products_.load_rows(run.dout[0], g, rows);
    std::fill(dx0, dx0 + n, 0.0f);
    for (int64_t l = layers_ - 1; l >= 0; --l) {
      const float* packed = packed_of(run, l);
      float* const dz = dz_of(run, l) + rows.begin * shape_.width();
      kernels_.gradients(g, saved_of(run, 0, kX, rows), saved_of(run, l, kZ, rows), dz, dx0, n);
      const float* in = shape_.rank ? hidden_gradient(run, l, dz, rows, pool) : dz;
      if (!l && !run.din[0]) return;
      product(in, packed + shape_.in_backward(), nullptr, dx, rows, shape_.rank ? shape_.projected() : shape_.cols,
              shape_.width(), pool);
      kernels_.add(g, dx, n);
    }
    kernels_.add(g, dx0, n);
    kernels_.store_rows(g, run.din[0], rows);
  }

  // The gradient of V's product (and the gates').
  const float* hidden_gradient(const Run& run, int64_t l, const float* dz, Range rows, Pool* pool) const {
    const float* packed = packed_of(run, l);
    const int64_t count = rows.end - rows.begin, n = count * shape_.expert();
    float* const dprojected = dprojected_of(run, l) + rows.begin * shape_.projected();
    product(dz, packed + shape_.out_backward(), nullptr, dprojected, rows, shape_.cols, shape_.hidden(), pool);
    if (!shape_.experts) return dprojected;
    float* const gates = saved_of(run, l, kGates, rows);
    float* const dgates = temporary_of(run, 3, rows);
    for (int64_t e = 0; e < shape_.experts; ++e) {
      float *const dh = dprojected + e * n, *const dt2 = expert_of(dsecond_of(run, l), run, e, rows);
      const CrossExpert expert{gates + e, shape_.experts, count, n};
      kernels_.gate_gradient(expert, dh, saved_of(run, l, kSecond, rows) + e * n, dgates + e, dt2);
      product(dt2, packed + shape_.c_backward() + e * shape_.rank * shape_.expert(), nullptr, dh, rows, shape_.rank,
              shape_.expert(), pool);
      kernels_.tanh_gradient(dh, expert_of(saved_of(run, l, kFirst, {0, 0}), run, e, rows), dh, n);
    }
    kernels_.softmax_gradient(dgates, gates, dprojected + count * shape_.hidden(), count, shape_.experts);
    return dprojected;
  }

  void add_jobs(const Run& run, int64_t l, std::vector<GradientJob>& jobs) const {
    const auto add = [&](const View& dweight, const View& dbias, const float* dz, int64_t outputs, const float* x, int64_t inputs) {
      const MlpWeightGradient sums{dweight, dbias, dz, x, run.batch, RowBlocks::of(run.batch, run.pool).rows, outputs, inputs};
      constexpr int64_t kTogether = 2;
      for (int64_t i = 0; i < strips(outputs); i += kTogether)
        jobs.push_back({sums, {i, std::min(strips(outputs), i + kTogether)}});
    };
    const float *x = saved_of(run, l, kX, {0, 0}), *dz = dz_of(run, l);
    const View& dbias = run.dparams[param(l, kBias)];
    const int64_t n = shape_.cols;
    if (!shape_.rank) return add(run.dparams[param(l, kU)], dbias, dz, n, x, n);
    add(du_of(run, l), dbias, dz, n, saved_of(run, l, kHidden, {0, 0}), shape_.hidden());
    add(dv_of(run, l), {}, x, n, dprojected_of(run, l), shape_.projected());
    for (int64_t e = 0; e < shape_.experts; ++e)
      if (const View& dc = run.dparams[param(l, kC)])
        add(c_of(dc, e), {}, expert_of(dsecond_of(run, l), run, e, {0, 0}), shape_.rank,
            expert_of(saved_of(run, l, kFirst, {0, 0}), run, e, {0, 0}), shape_.rank);
  }

  void unpack_gradients(const Run& run, int64_t l) const {
    const View u = du_of(run, l), v = dv_of(run, l);
    const View &du = run.dparams[param(l, kU)], &dv = run.dparams[param(l, kV)];
    for (int64_t k = 0; k < shape_.cols; ++k) {
      if (du) gather(u.row(k), du.row(k));
      if (dv) gather(v.row(k), dv.row(k));
      for (int64_t e = 0; e < shape_.experts; ++e)
        if (const View& dgate = run.dparams[param(l, kGate)]) dgate.row(e)[k] = v.row(k)[shape_.hidden() + e];
    }
  }

  double weights() const {
    const double n = static_cast<double>(shape_.cols), r = static_cast<double>(shape_.rank), k = static_cast<double>(shape_.experts);
    const double layer = !shape_.rank ? n * n : !shape_.experts ? 2 * n * r : k * (2 * n * r + r * r + n);
    return static_cast<double>(layers_) * layer;
  }
  // Of the forward pass, and of each half of the backward pass.
  double flops(const Run& run) const { return 2 * static_cast<double>(run.batch) * weights(); }

  const CrossV2Kernels& kernels_;
  const MlpKernels& products_;
  CrossV2Shape shape_;
  int64_t layers_ = 0;
};

}  // namespace

std::unique_ptr<Op> make_cross_v2(const MakeArgs& args) { return std::make_unique<CrossV2>(args); }

}  // namespace dlrm
