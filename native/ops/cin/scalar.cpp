#include "ops/cin/cin.h"

namespace dlrm {
namespace {

// Of a block in strips of P columns.
template <int64_t P>
struct Plain {
  static float& at(const CinMaps& maps, int64_t h, int64_t c) { return maps.data[c / P * maps.strip + h * P + c % P]; }

  // f(row, example in the block, column of the block) for every e of every example.
  template <class F>
  static void each_column(const CinRows& r, F&& f) {
    const int64_t rows = r.rows.end - r.rows.begin;
    for (int64_t e = 0; e < r.width; ++e)
      for (int64_t b = 0; b < rows; ++b) f(r.rows.begin + b, e, e * rows + b);
  }

  static int64_t columns(const CinRows& r) { return (r.rows.end - r.rows.begin) * r.width; }
  static void clear_rest(const CinRows& r, int64_t maps, const CinMaps& to) {
    for (int64_t h = 0; h < maps; ++h)
      for (int64_t c = columns(r); c < r.strips * P; ++c) at(to, h, c) = 0;
  }

  static void load(const CinRows& r, const View& x, int64_t fields, const CinMaps& to) {
    for (int64_t j = 0; j < fields; ++j)
      each_column(r, [&](int64_t b, int64_t e, int64_t c) { at(to, j, c) = x.row(b)[j * r.width + e]; });
    clear_rest(r, fields, to);
  }

  static void unload(const CinRows& r, const View& x, int64_t fields, const CinMaps& a, const CinMaps& more) {
    for (int64_t j = 0; j < fields; ++j)
      each_column(r, [&](int64_t b, int64_t e, int64_t c) { x.row(b)[j * r.width + e] = at(a, j, c) + at(more, j, c); });
  }

  static void pool(const CinRows& r, const CinMaps& x, const View& out) {
    for (int64_t h = 0; h < out.cols; ++h) {
      for (int64_t b = r.rows.begin; b < r.rows.end; ++b) out.row(b)[h] = 0;
      each_column(r, [&](int64_t b, int64_t, int64_t c) { out.row(b)[h] += at(x, h, c); });
    }
  }

  static void spread(const CinRows& r, const View& dout, const CinMaps& d, bool add) {
    for (int64_t h = 0; h < dout.cols; ++h)
      each_column(r, [&](int64_t b, int64_t, int64_t c) { at(d, h, c) = dout.row(b)[h] + (add ? at(d, h, c) : 0); });
    if (!add) clear_rest(r, dout.cols, d);
  }
};

void mask(float* d, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) d[i] = x[i] > 0 ? d[i] : 0;
}

using One = Plain<1>;

void forward(const CinForward& a) {
  const CinLayer& layer = a.layer;
  for (int64_t c = 0; c < a.strips; ++c)
    for (int64_t h = 0; h < layer.maps; ++h) {
      float sum = a.bias[h];
      for (int64_t p = 0; p < layer.pairs; ++p)
        sum += a.weight[h * layer.pairs + p] * (One::at(a.x, layer.first[p], c) * One::at(a.x0, layer.second[p], c));
      One::at(a.out, h, c) = a.relu && sum < 0 ? 0 : sum;
    }
}

void input_gradient(const CinInputGradient& a) {
  const CinLayer& layer = a.layer;
  for (int64_t c = 0; c < a.strips; ++c) {
    for (int64_t i = 0; i < a.inputs; ++i) One::at(a.dx, i, c) = 0;
    for (int64_t p = 0; p < layer.pairs; ++p) {
      const int64_t i = layer.first[p], j = layer.second[p];
      float t = 0;
      for (int64_t h = 0; h < layer.maps; ++h) t += a.weight[p * layer.maps + h] * One::at(a.d, h, c);
      One::at(a.dx, i, c) += One::at(a.x0, j, c) * t;
      One::at(a.dx0, j, c) += One::at(a.x, i, c) * t;
    }
  }
}

void weight_gradient(const CinWeightGradient& a) {
  const CinLayer& layer = a.layer;
  for (int64_t c = 0; c < a.strips; ++c)
    for (int64_t h = 0; h < layer.maps; ++h) {
      const float d = One::at(a.d, h, c);
      a.dbias[h] += d;
      for (int64_t p = 0; p < layer.pairs; ++p)
        a.dweight[p * layer.maps + h] += d * (One::at(a.x, layer.first[p], c) * One::at(a.x0, layer.second[p], c));
    }
}

template <int64_t P>
constexpr CinKernels plain() {
  return {P, 1, Plain<P>::load, Plain<P>::unload, Plain<P>::pool, Plain<P>::spread, mask, forward, input_gradient, weight_gradient};
}

}  // namespace

const CinKernels cin_scalar = plain<1>();

CinKernels cin_plain(int64_t lanes) { return lanes == 32 ? plain<32>() : lanes == 16 ? plain<16>() : plain<1>(); }

}  // namespace dlrm
