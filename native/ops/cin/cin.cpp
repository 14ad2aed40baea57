#include "ops/cin/cin.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/op.h"
#include "ops/registry.h"

namespace dlrm {
namespace {

const VariantTable<CinKernels> kVariants = {{
    &cin_scalar,
    DLRM_X86(&cin_avx2),
    DLRM_X86(&cin_avx512),
}};

constexpr double kFlopsPerNs = 50, kPackedPerNs = 0.5;  // roughly, of one core: only to judge whether to wake the pool
constexpr int64_t kMaxWidth = 1 << 20, kMaxChunks = 32, kSlice = 4096;

struct Layer {
  int64_t inputs, maps;              // I, H
  int64_t source;                    // maps of X^{k-1} altogether: its strips
  int64_t kept, out;                 // the maps that are put out: from this one on, to this column of out
  std::vector<int32_t> first, second;  // the pairs
  int64_t forward, backward, bias;   // in Run::packed
  int64_t dweight, dbias;            // in the sums of a chunk
  int64_t pairs() const { return static_cast<int64_t>(first.size()); }
};

int64_t count_attr(const MakeArgs& args, const char* attr, double fallback) {
  const double value = args.attrs.number(args.op, attr, fallback);
  if (!(value >= 1 && value <= kMaxWidth && value == std::floor(value)))
    fail(Code::argument, "[cin] %s: %s: expected an integer from 1 to %lld, received %g", args.name.c_str(), attr,
         static_cast<long long>(kMaxWidth), value);
  return static_cast<int64_t>(value);
}

bool relu_attr(const MakeArgs& args) {
  const std::string name = args.attrs.text(args.op, "activation", "none");
  if (name != "none" && name != "relu")
    fail(Code::argument, "[cin] %s: activation: expected none or relu, received \"%s\"", args.name.c_str(), name.c_str());
  return name == "relu";
}

class Cin : public Op {
 public:
  explicit Cin(const MakeArgs& args)
      : kernels_(kVariants.pick(args.isa)), plain_(cin_plain(kernels_.lanes)), lanes_(kernels_.lanes) {
    args.expect_inputs(1);
    width_ = count_attr(args, "width", 0);
    const int64_t cols = args.matrix(0).cols;
    if (cols < 1 || cols % width_)
      fail(Code::shape, "[cin] %s: input 0: expected columns in a multiple of the width %lld, received %lld", args.name.c_str(),
           static_cast<long long>(width_), static_cast<long long>(cols));
    fields_ = cols / width_;
    relu_ = relu_attr(args);
    has_bias_ = args.attrs.flag(args.op, "bias", true);
    add_layers(args, args.attrs.sizes(args.op, "layers"), args.attrs.flag(args.op, "split_half", false));
    backward_reads_outputs = false;
  }

  void prepare(const Run& run) const override {
    for_chunks(run.pool, count(), static_cast<double>(packed_floats) / kPackedPerNs, [&](int64_t k) { pack(run, layer(k), k); });
  }

  void forward(const Run& run) const override {
    for_blocks(run, kForwardChunks, flops(run), [&](int64_t chunk, const CinRows& r) {
      float* const scratch = static_cast<float*>(run.scratch) + chunk * forward_floats();
      const CinMaps x0{scratch, fields_ * lanes_};
      rows_kernels(r).load(r, run.in[0].view, fields_, x0);
      CinMaps x = x0;
      for (int64_t k = 0; k < count(); ++k) {
        const Layer& l = layer(k);
        const CinMaps out = is_saved(k) ? saved_maps(run, k, r) : CinMaps{scratch + maps_floats(fields_), l.maps * lanes_};
        kernels_.forward({cin_layer(l), x, x0, out, run.packed + l.forward, run.packed + l.bias, r.strips, relu_});
        rows_kernels(r).pool(r, {out.data + l.kept * lanes_, out.strip}, columns(run.out[0], l));
        x = out;
      }
    });
  }

  void backward(const Run& run) const override {
    for_blocks(run, kMaxChunks, 2 * flops(run), [&](int64_t chunk, const CinRows& r) { backward_block(run, chunk, r); }, true);
    add_chunks(run);
    for_chunks(run.pool, count(), static_cast<double>(sums_floats_) / kPackedPerNs, [&](int64_t k) { store_gradients(run, k); });
  }

  size_t scratch_bytes(const Run& run) const override {
    const int64_t n = blocks(run.batch), forward = std::min(n, kForwardChunks) * forward_floats();
    const int64_t backward = std::max<int64_t>(1, std::min(n, kMaxChunks)) * backward_floats();
    return static_cast<size_t>(std::max(forward, backward)) * sizeof(float);
  }

  Cost cost(const Run& run, bool backward) const override {
    const double b = static_cast<double>(run.batch), values = static_cast<double>(fields_ * width_ + outputs[0].cols);
    return {(backward ? 2 : 1) * flops(run), 4 * ((backward ? 2 : 1) * b * values + static_cast<double>(sums_floats_))};
  }

 private:
  static constexpr int64_t kForwardChunks = 64;

  int64_t count() const { return static_cast<int64_t>(layers_.size()); }
  const Layer& layer(int64_t k) const { return layers_[static_cast<size_t>(k)]; }
  int64_t pad(int64_t n) const { return (n + lanes_ - 1) / lanes_ * lanes_; }
  static CinLayer cin_layer(const Layer& l) { return {l.maps, l.pairs(), l.first.data(), l.second.data()}; }
  size_t weight_of(int64_t k) const { return static_cast<size_t>(has_bias_ ? 2 * k : k); }

  void add_layers(const MakeArgs& args, const std::vector<int64_t>& maps, bool split_half) {
    if (maps.empty()) fail(Code::argument, "[cin] %s: layers: expected at least one number of maps", args.name.c_str());
    int64_t inputs = fields_, source = fields_, out = 0;
    for (size_t k = 0; k < maps.size(); ++k) {
      const bool last = k + 1 == maps.size(), split = split_half && !last;
      if (maps[k] < 1 || maps[k] > kMaxWidth)
        fail(Code::argument, "[cin] %s: layers: expected from 1 to %lld maps, received %lld", args.name.c_str(),
             static_cast<long long>(kMaxWidth), static_cast<long long>(maps[k]));
      if (split && maps[k] % 2)
        fail(Code::argument, "[cin] %s: layers: expected even numbers but the last with split_half, received %lld",
             args.name.c_str(), static_cast<long long>(maps[k]));
      add_layer(args, {inputs, maps[k], source, split ? maps[k] / 2 : 0, out, {}, {}, 0, 0, 0, 0, 0});
      inputs = split ? maps[k] / 2 : maps[k];
      source = maps[k];
      out += maps[k] - layers_.back().kept;
    }
    outputs = {{kPerExample, out}};
    int64_t rest = 0;
    for (int64_t k = 0; k < count(); ++k) {
      if (!is_saved(k)) continue;
      saved.push_back({kPerExample, layer(k).maps * width_});
      rest += maps_floats(layer(k).maps);
    }
    saved.push_back({1, rest});  // of the last block, if it is not whole
  }

  void add_layer(const MakeArgs& args, Layer l) {
    const std::string prefix = args.name + "." + std::to_string(layers_.size());
    const bool symmetric = layers_.empty();
    for (int64_t j = 0; j < fields_; ++j)
      for (int64_t i = 0; i < (symmetric ? j + 1 : l.inputs); ++i) {
        l.first.push_back(static_cast<int32_t>(i));
        l.second.push_back(static_cast<int32_t>(j));
      }
    l.forward = packed_floats;
    l.backward = l.forward + l.maps * l.pairs();
    l.bias = l.backward + l.maps * l.pairs();
    packed_floats = l.bias + l.maps;
    l.dweight = sums_floats_;
    l.dbias = l.dweight + l.pairs() * pad(l.maps);
    sums_floats_ = l.dbias + pad(l.maps);
    const int64_t fans = l.maps + l.inputs * fields_;
    const Init init = args.attrs.init(args.op, {Init::normal, 0, std::sqrt(2 / static_cast<double>(fans))});
    params.push_back({prefix + ".weight", {l.maps, l.inputs * fields_}, init});
    if (has_bias_) params.push_back({prefix + ".bias", {l.maps}, {}});
    layers_.push_back(std::move(l));
  }

  // The weight of map h and pair p, in W's own columns; the other half of an unordered pair, or -1.
  int64_t column(const Layer& l, int64_t p) const { return l.first[static_cast<size_t>(p)] * fields_ + l.second[static_cast<size_t>(p)]; }
  int64_t mirrored(const Layer& l, int64_t p) const {
    const int32_t i = l.first[static_cast<size_t>(p)], j = l.second[static_cast<size_t>(p)];
    return &l == &layers_[0] && i != j ? j * fields_ + i : -1;
  }

  void pack(const Run& run, const Layer& l, int64_t k) const {
    const View& weight = run.params[weight_of(k)];
    const auto value = [&](int64_t h, int64_t p) {
      const int64_t more = mirrored(l, p);
      return weight.row(h)[column(l, p)] + (more < 0 ? 0 : weight.row(h)[more]);
    };
    pack_tiles(run.packed + l.forward, l.maps, l.pairs(), value);
    pack_tiles(run.packed + l.backward, l.pairs(), l.maps, [&](int64_t p, int64_t h) { return value(h, p); });
    for (int64_t h = 0; h < l.maps; ++h) run.packed[l.bias + h] = has_bias_ ? run.params[weight_of(k) + 1].f32()[h] : 0;
  }

  template <class F>
  void pack_tiles(float* to, int64_t rows, int64_t depth, F&& value) const {
    const int64_t tiles = (rows + kernels_.tile_rows - 1) / kernels_.tile_rows;
    for (int64_t t = 0; t < tiles; ++t) {
      const Range tile = chunk_range(rows, tiles, t);
      for (int64_t d = 0; d < depth; ++d)
        for (int64_t r = tile.begin; r < tile.end; ++r) *to++ = value(r, d);
    }
  }

  // ---- blocks

  int64_t blocks(int64_t batch) const { return (batch + lanes_ - 1) / lanes_; }
  int64_t maps_floats(int64_t maps) const { return maps * width_ * lanes_; }  // of a whole block
  const CinKernels& rows_kernels(const CinRows& r) const { return r.rows.end - r.rows.begin == lanes_ ? kernels_ : plain_; }
  bool is_saved(int64_t k) const { return relu_ || k + 1 < count(); }
  View columns(const View& all, const Layer& l) const {
    return {all.f32() + l.out, all.dtype, all.rows, l.maps - l.kept, all.stride};
  }

  CinMaps saved_maps(const Run& run, int64_t k, const CinRows& r) const {
    const int64_t maps = layer(k).maps;
    if (r.rows.end - r.rows.begin == lanes_)
      return {run.saved[k].f32() + r.rows.begin * maps * width_, maps * lanes_};
    float* rest = run.saved[saved.size() - 1].f32();
    for (int64_t i = 0; i < k; ++i) rest += maps_floats(layer(i).maps);
    return {rest, maps * lanes_};
  }

  // body(chunk, block) for the blocks of every chunk in order; before the first of a chunk its sums are cleared if wanted.
  template <class F>
  void for_blocks(const Run& run, int64_t most, double flops, F&& body, bool sums = false) const {
    const int64_t n = blocks(run.batch), chunks = std::min(n, most);
    for_chunks(run.pool, chunks, flops / kFlopsPerNs, [&](int64_t chunk) {
      if (sums) std::fill_n(sums_of(run, chunk), sums_floats_, 0.0f);
      const Range range = chunk_range(n, chunks, chunk);
      for (int64_t q = range.begin; q < range.end; ++q) {
        const Range rows{q * lanes_, std::min(run.batch, (q + 1) * lanes_)};
        body(chunk, CinRows{rows, width_, ((rows.end - rows.begin) * width_ + lanes_ - 1) / lanes_});
      }
    });
  }

  // Scratch of a chunk. Forward: X^0, X^K. Backward: the sums; X^0, dX^0, D, dX^{k-1}; D by columns.
  int64_t most_maps() const {
    int64_t most = fields_;
    for (const Layer& l : layers_) most = std::max(most, l.maps);
    return most;
  }
  int64_t forward_floats() const { return maps_floats(fields_ + layers_.back().maps); }
  int64_t backward_floats() const {
    return pad(sums_floats_) + maps_floats(2 * fields_ + 2 * most_maps()) + maps_floats(pad(most_maps()));
  }
  float* sums_of(const Run& run, int64_t chunk) const { return static_cast<float*>(run.scratch) + chunk * backward_floats(); }

  void backward_block(const Run& run, int64_t chunk, const CinRows& r) const {
    const CinKernels& rows = rows_kernels(r);
    float* const sums = sums_of(run, chunk);
    const CinMaps x0{sums + pad(sums_floats_), fields_ * lanes_}, dx0{x0.data + maps_floats(fields_), x0.strip};
    float *d = dx0.data + maps_floats(fields_), *other = d + maps_floats(most_maps());
    float* const transposed = other + maps_floats(most_maps());
    rows.load(r, run.in[0].view, fields_, x0);
    std::fill_n(dx0.data, maps_floats(fields_), 0.0f);
    for (int64_t k = count() - 1; k >= 0; --k) {
      const Layer& l = layer(k);
      const CinLayer shape = cin_layer(l);
      const CinMaps maps{d, l.maps * lanes_};
      const bool passed_on = k + 1 < count() && !l.kept;  // all maps are put out and go on
      rows.spread(r, columns(run.dout[0], l), {d + l.kept * lanes_, maps.strip}, passed_on);
      if (relu_) kernels_.mask(d, saved_maps(run, k, r).data, r.strips * maps.strip);
      const CinMaps x = k ? saved_maps(run, k - 1, r) : x0;
      kernels_.weight_gradient({shape, maps, x, x0, transposed, sums + l.dweight, sums + l.dbias, r.strips});
      if (!k && !run.din[0]) return;
      const CinMaps dx{other, l.source * lanes_};
      kernels_.input_gradient({shape, maps, x, x0, dx, dx0, run.packed + l.backward, l.inputs, r.strips});
      std::swap(d, other);
    }
    rows.unload(r, run.din[0], fields_, {d, x0.strip}, dx0);
  }

  // All chunks into the first, in order.
  void add_chunks(const Run& run) const {
    const int64_t chunks = std::min(blocks(run.batch), kMaxChunks), slices = (sums_floats_ + kSlice - 1) / kSlice;
    if (!chunks) std::fill_n(sums_of(run, 0), sums_floats_, 0.0f);
    for_chunks(run.pool, slices, static_cast<double>(sums_floats_ * chunks) / 4, [&](int64_t slice) {
      const int64_t begin = slice * kSlice, end = std::min(sums_floats_, begin + kSlice);
      float* const total = sums_of(run, 0);
      for (int64_t i = 1; i < chunks; ++i) {
        const float* more = sums_of(run, i);
        for (int64_t k = begin; k < end; ++k) total[k] += more[k];
      }
    });
  }

  void store_gradients(const Run& run, int64_t k) const {
    const Layer& l = layer(k);
    const float *dweight = sums_of(run, 0) + l.dweight, *dbias = sums_of(run, 0) + l.dbias;
    if (const View& to = run.dparams[weight_of(k)])
      for (int64_t p = 0; p < l.pairs(); ++p) {
        const int64_t at = column(l, p), more = mirrored(l, p);
        for (int64_t h = 0; h < l.maps; ++h) {
          const float value = dweight[p * pad(l.maps) + h];
          to.row(h)[at] = value;
          if (more >= 0) to.row(h)[more] = value;
        }
      }
    if (!has_bias_) return;
    if (const View& to = run.dparams[weight_of(k) + 1]) std::copy_n(dbias, l.maps, to.f32());
  }

  // Of the forward pass, and of each half of the backward pass.
  double flops(const Run& run) const {
    double sum = 0;
    for (const Layer& l : layers_) sum += 2 * static_cast<double>(l.maps * l.pairs());
    return sum * static_cast<double>(run.batch * width_);
  }

  const CinKernels& kernels_;
  const CinKernels plain_;
  const int64_t lanes_;
  int64_t width_ = 0, fields_ = 0, sums_floats_ = 0;
  bool relu_ = false, has_bias_ = true;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Op> make_cin(const MakeArgs& args) { return std::make_unique<Cin>(args); }

}  // namespace dlrm
