// The compressed interaction network of xDeepFM (Lian et al. 2018, arXiv 1803.05170, section 3.1).
//   X^0 = the m vectors of an example [m,E];  X^k [H_k,E], k = 1..K, from I_k maps of X^{k-1} and all of X^0:
//   X^k_{h,e} = f(b^k_h + sum over i < I_k, j < m of W^k_{h, i*m+j} X^{k-1}_{i,e} X^0_{j,e})      (equation 6)
//   x   [B,m*E];  W^k [H_k, I_k*m], b^k [H_k] f32;  f: none or relu
//   out [B,S]: the sums over e of the maps that are put out (equation 7), layer after layer: all maps, and all go on to the next
//       layer, I_{k+1} = H_k; or with split_half the first half goes on, the second is put out, of the last layer all
// X^1 has one weight for each unordered pair: W_{h,ij} + W_{h,ji}.
// Backward, D = dX^k f'(X^k), T_ij = sum_h W_{h,ij} D_h:
//   dX^{k-1}_i += X^0_j T_ij,  dX^0_j += X^{k-1}_i T_ij,  dW_{h,ij} = sum over b and e of D_h X^{k-1}_i X^0_j
//
// The products X^{k-1}_i X^0_j never exist for more than a few columns. A column is one e of one example; a block of `lanes`
// examples (the last may have fewer) has rows*E columns, column e * rows + b, filled up with zeros to strips of P = `lanes`
// columns. Maps lie strip by strip:
//   element (h, column c) of a block at base[(c / P) * strip + h * P + c % P],  strip >= H * P
// so that in a whole block strip e holds one number of each example.
#pragma once
#include "base/isa.h"
#include "base/view.h"

namespace dlrm {

// One layer: pair p is map first[p] times field second[p].
struct CinLayer {
  int64_t maps, pairs;  // H, and the columns of W once equal pairs are one
  const int32_t *first, *second;
};

// A block of maps; see above.
struct CinMaps {
  float* data;
  int64_t strip;
};

// Rows of a weight matrix in tiles of nearly equal height M <= tile_rows, chunk_range(rows, tiles, t); a tile from row r is
// `depth` times its M numbers, at base[r * depth].
struct CinForward {
  CinLayer layer;
  CinMaps x, x0, out;
  const float* weight;  // tiles of rows h, depth p
  const float* bias;    // [H]
  int64_t strips;
  bool relu;
};

struct CinInputGradient {
  CinLayer layer;
  CinMaps d, x, x0;
  CinMaps dx;           // written: `inputs` maps
  CinMaps dx0;          // added to
  const float* weight;  // tiles of rows p, depth h
  int64_t inputs, strips;
};

struct CinWeightGradient {
  CinLayer layer;
  CinMaps d, x, x0;
  float* transposed;  // room for strips * P * pad(H)
  float* dweight;     // [pairs, pad(H)], added to
  float* dbias;       // [pad(H)], added to
  int64_t strips;
};

// Rows of a matrix against the columns of a block.
struct CinRows {
  Range rows;
  int64_t width;  // E
  int64_t strips;
};

struct CinKernels {
  int64_t lanes, tile_rows;  // P; H is padded to a multiple of P

  // The maps of columns j*E to (j+1)*E of x; back, x = a + b. AVX variants: whole blocks only.
  void (*load)(const CinRows&, const View& x, int64_t fields, const CinMaps& to);
  void (*unload)(const CinRows&, const View& x, int64_t fields, const CinMaps& a, const CinMaps& b);
  // out[b,h] = sum over e; and back, every e of maps h = dout[b,h] (or that is added). AVX variants: whole blocks only.
  void (*pool)(const CinRows&, const CinMaps& x, const View& out);
  void (*spread)(const CinRows&, const View& dout, const CinMaps& d, bool add);
  void (*mask)(float* d, const float* x, int64_t n);  // d = 0 where x <= 0

  void (*forward)(const CinForward&);
  void (*input_gradient)(const CinInputGradient&);
  void (*weight_gradient)(const CinWeightGradient&);
};

extern const CinKernels cin_scalar, cin_avx2, cin_avx512;

// load, unload, pool and spread for a block of any number of rows in strips of any number of lanes.
CinKernels cin_plain(int64_t lanes);

}  // namespace dlrm
