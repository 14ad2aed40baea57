#include "ops/mlp/bf16.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AVX512_BF16
namespace dlrm::avx512_bf16 {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"

constexpr int64_t kTileCols = 64;

#include "ops/mlp/bf16_cells.inl"

// Two factors of a tile. The depth comes in pieces of 16 pairs (the last may have less), a_step and b_step apart.
struct Factors {
  const uint16_t* a;  // row m at a + 32 m
  const uint16_t* b;  // strip s at b + s * b_strip
  int64_t b_strip, a_step, b_step, pairs;
};

// tile[m][0..16 S) += a * b; rows of the tile are kTileCols apart.
template <int M, int S>
void accumulate(const Factors& f, float* tile) {
  __m512 acc[M][S];
  DLRM_UNROLL
  for (int m = 0; m < M; ++m)
    DLRM_UNROLL
    for (int s = 0; s < S; ++s) acc[m][s] = _mm512_load_ps(tile + m * kTileCols + s * W);
  const uint16_t *a_piece = f.a, *b_piece = f.b;
  for (int64_t left = f.pairs; left > 0; left -= kPairs, a_piece += f.a_step, b_piece += f.b_step) {
    const uint16_t *a = a_piece, *b = b_piece;
    for (int64_t p = least(left, kPairs); p > 0; --p, a += 2, b += 2 * kStrip) {
      __m512bh column[S];
      DLRM_UNROLL
      for (int s = 0; s < S; ++s) column[s] = (__m512bh)_mm512_loadu_si512(b + s * f.b_strip);
      DLRM_UNROLL
      for (int m = 0; m < M; ++m) {
        int pair;
        __builtin_memcpy(&pair, a + m * kCell, sizeof pair);
        const auto row = (__m512bh)_mm512_set1_epi32(pair);
        DLRM_UNROLL
        for (int s = 0; s < S; ++s) acc[m][s] = _mm512_dpbf16_ps(acc[m][s], row, column[s]);
      }
    }
  }
  DLRM_UNROLL
  for (int m = 0; m < M; ++m)
    DLRM_UNROLL
    for (int s = 0; s < S; ++s) _mm512_store_ps(tile + m * kTileCols + s * W, acc[m][s]);
}

// accumulate with `rows` (1 to M) rows of S strips.
template <int M, int S>
DLRM_INLINE void accumulate_rows(const Factors& f, float* tile, int rows) {
  if constexpr (M > 0) {
    if (rows != M)
      accumulate_rows<M - 1, S>(f, tile, rows);
    else
      accumulate<M, S>(f, tile);
  }
}

// 24 sums at most, and of few rows four strips: their sums hide each other's latency.
constexpr int kTileRows = 12, kFewRows = 6;

void accumulate_tile(const Factors& f, float* tile, int rows, int strips) {
  if (strips == 4) return accumulate_rows<kFewRows, 4>(f, tile, rows);
  if (strips == 2) return accumulate_rows<kTileRows, 2>(f, tile, rows);
  accumulate_rows<kTileRows, 1>(f, tile, rows);
}

DLRM_INLINE int strips_together(int64_t rows, int64_t left) { return rows <= kFewRows && left >= 4 ? 4 : left >= 2 ? 2 : 1; }

// One block of up to 32 rows, `strips` strips from `strip` on. Tiles cut the rows evenly.
void product_block(const MlpBf16Product& a, int64_t block, int64_t strip, int strips) {
  const int64_t here = least(kCell, a.rows - block), tiles = (here + kTileRows - 1) / kTileRows;
  const int64_t stride = pad_bf16(a.depth) * kStrip, col = strip * kStrip, cols = least(strips * kStrip, a.cols - col);
  alignas(64) float sums[kTileRows * kTileCols];
  for (int64_t t = 0, row = 0, m; t < tiles; ++t, row += m) {
    m = here / tiles + (t < here % tiles);
    for (int64_t i = 0; i < m; ++i)
      for (int s = 0; s < strips; ++s) store(sums + i * kTileCols + s * W, a.bias ? load(a.bias + col + s * W) : zero());
    const Factors f{a.in + block * pad_bf16(a.depth) + row * kCell, a.matrix + strip * stride, stride, here * kCell,
                    kPairs * 2 * kStrip, (a.depth + 1) / 2};
    accumulate_tile(f, sums, static_cast<int>(m), strips);
    finish(a, {sums, block, row, col, cols, static_cast<int>(m)});
  }
}

void product(const MlpBf16Product& a, Range strips) {
  for (int64_t strip = strips.begin, n; strip < strips.end; strip += n) {
    n = strips_together(a.rows, strips.end - strip);
    for (int64_t block = 0; block < a.rows; block += kCell) product_block(a, block, strip, static_cast<int>(n));
  }
  clear_behind(a, strips);
}

void weight_gradient_pass(const MlpBf16WeightGradient& a, Range pieces, Range outputs, int64_t strip, int strips) {
  const int64_t batch = least(a.batch, pieces.end * kCell) - pieces.begin * kCell, col = strip * kStrip;
  const int64_t a_step = pad_bf16(a.outputs) * kCell, b_step = pad_bf16(a.inputs) * kCell;
  const int64_t last = least(a.outputs, outputs.end * kCell);
  alignas(64) float sums[kTileRows * kTileCols];
  for (int64_t n = outputs.begin * kCell, m; n < last; n += m) {
    m = least(kTileRows, last - n);
    for (int64_t i = 0; i < m; ++i)
      for (int s = 0; s < strips; ++s) {
        const int64_t c = col + s * W;
        store(sums + i * kTileCols + s * W, pieces.begin ? load_up_to(a.dweight.row(n + i) + c, a.inputs - c) : zero());
      }
    accumulate_tile({a.transposed + pieces.begin * a_step + n * kCell, a.pairs + pieces.begin * b_step + col * kCell,
                     kCell * kStrip, a_step, b_step, (batch + 1) / 2},
                    sums, static_cast<int>(m), strips);
    for (int64_t i = 0; i < m; ++i)
      for (int s = 0; s < strips; ++s) {
        const int64_t c = col + s * W;
        store_up_to(a.dweight.row(n + i) + c, load(sums + i * kTileCols + s * W), a.inputs - c);
      }
  }
}

void weight_gradient(const MlpBf16WeightGradient& a, Range outputs, Range inputs) {
  const int64_t pieces = (a.batch + kCell - 1) / kCell;
  for (int64_t q = 0; a.dweight && (q < pieces || !q); q += kPieces)
    for (int64_t k = inputs.begin; k < inputs.end; k += 2)
      weight_gradient_pass(a, {q, least(pieces, q + kPieces)}, outputs, k, inputs.end - k >= 2 ? 2 : 1);
  bias_gradients(a, outputs, inputs);
}

}  // namespace
}  // namespace dlrm::avx512_bf16
DLRM_TARGET_END

namespace dlrm {
const MlpBf16Kernels mlp_bf16_avx512 = {
    avx512_bf16::pack_transposed, avx512_bf16::pack, avx512_bf16::load_rows, avx512_bf16::output_gradient,
    avx512_bf16::product, avx512_bf16::transpose_cells, avx512_bf16::pair, avx512_bf16::weight_gradient,
};
}
#endif
