#include "ops/mlp/bf16.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/target.h"

DLRM_TARGET_AMX
namespace dlrm::amx {
namespace {
#include "base/simd_avx512.h"
#include "base/simd_math.inl"

constexpr int64_t kTileCols = 32;

#include "ops/mlp/bf16_cells.inl"

// 32 x 32 sums in four tiles, of 16 rows and a strip each: 0 1 above 2 3. 4 and 5: 16 rows of 32 of the first factor, above
// and below; 6 and 7: 16 pairs of two strips of the second.
constexpr int64_t kHalf = 16, kRowBytes = 64, kSumBytes = kTileCols * 4;

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// For sums of so many rows, 1 to 32. Where there are none below, those tiles are not used.
void configure(int64_t rows) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    const bool first_factor = tile == 4 || tile == 5, below = tile == 2 || tile == 3 || tile == 5;
    const int64_t count = first_factor || tile < 4 ? (below ? rows - kHalf : least(kHalf, rows)) : kHalf;
    config.row_bytes[tile] = kRowBytes;
    config.rows[tile] = static_cast<uint8_t>(count > 0 ? count : 1);
  }
  _tile_loadconfig(&config);
}

// GCC does not know that a tile is loaded from memory.
DLRM_INLINE void written() { asm volatile("" ::: "memory"); }

struct Factors {
  const uint16_t *a, *b;  // row m at a + 32 m; strip s at b + s * b_strip
  int64_t b_strip, a_step, b_step, pieces;
};

template <bool Below, bool Right>
DLRM_INLINE void multiply(const Factors& f) {
  const uint16_t *a = f.a, *b = f.b;
  for (int64_t piece = 0; piece < f.pieces; ++piece, a += f.a_step, b += f.b_step) {
    _tile_loadd(4, a, kRowBytes);
    _tile_loadd(6, b, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (Right) {
      _tile_loadd(7, b + f.b_strip, kRowBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (Below) {
      _tile_loadd(5, a + kHalf * kCell, kRowBytes);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (Right) _tile_dpbf16ps(3, 5, 7);
    }
  }
}

void multiply(const Factors& f, bool below, bool right) {
  written();
  if (below && right)
    multiply<true, true>(f);
  else if (below)
    multiply<true, false>(f);
  else if (right)
    multiply<false, true>(f);
  else
    multiply<false, false>(f);
}

// The sums from or to memory whose rows are `bytes` apart; 0: every row is the same.
void load_sums(const float* from, int64_t bytes, bool below, bool right) {
  const float* lower = from + kHalf * bytes / 4;
  written();
  _tile_loadd(0, from, bytes);
  if (right) _tile_loadd(1, from + kStrip, bytes);
  if (below) _tile_loadd(2, lower, bytes);
  if (below && right) _tile_loadd(3, lower + kStrip, bytes);
}

void store_sums(float* to, int64_t bytes, bool below, bool right) {
  float* lower = to + kHalf * bytes / 4;
  _tile_stored(0, to, bytes);
  if (right) _tile_stored(1, to + kStrip, bytes);
  if (below) _tile_stored(2, lower, bytes);
  if (below && right) _tile_stored(3, lower + kStrip, bytes);
}

void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// One block of `here` rows, one strip or two.
void product_block(const MlpBf16Product& a, int64_t block, int64_t here, int64_t strip, bool right) {
  const bool below = here > kHalf;
  const int64_t stride = pad_bf16(a.depth) * kStrip, col = strip * kStrip;
  if (a.bias)
    load_sums(a.bias + col, 0, below, right);
  else
    zero_sums();
  multiply({a.in + block * pad_bf16(a.depth), a.matrix + strip * stride, stride, here * kCell, kCell * kStrip,
            pad_bf16(a.depth) / kCell},
           below, right);
  alignas(64) float sums[kCell * kTileCols];
  store_sums(sums, kSumBytes, below, right);
  finish(a, {sums, block, 0, col, least(right ? kTileCols : kStrip, a.cols - col), static_cast<int>(here)});
}

void product_blocks(const MlpBf16Product& a, Range strips, Range blocks, int64_t here) {
  if (blocks.begin >= blocks.end) return;
  configure(here);
  for (int64_t strip = strips.begin; strip < strips.end; strip += 2)
    for (int64_t block = blocks.begin; block < blocks.end; block += kCell)
      product_block(a, block, here, strip, strips.end - strip >= 2);
  _tile_release();
}

void product(const MlpBf16Product& a, Range strips) {
  const int64_t whole = a.rows / kCell * kCell;
  product_blocks(a, strips, {0, whole}, kCell);
  product_blocks(a, strips, {whole, a.rows}, a.rows - whole);
  clear_behind(a, strips);
}

// 32 rows from n on of dW, one strip or two from `strip` on; at its edges by way of `sums`.
void weight_gradient_tile(const MlpBf16WeightGradient& a, Range pieces, int64_t n, int64_t strip, bool right) {
  const int64_t col = strip * kStrip, rows = least(kCell, a.outputs - n), cols = least(right ? kTileCols : kStrip, a.inputs - col);
  const int64_t a_step = pad_bf16(a.outputs) * kCell, b_step = pad_bf16(a.inputs) * kCell;
  const bool below = rows > kHalf, whole = rows == kCell && cols == (right ? kTileCols : kStrip);
  alignas(64) float sums[kCell * kTileCols];
  float* const to = whole ? a.dweight.row(n) + col : sums;
  const int64_t bytes = whole ? a.dweight.stride * 4 : kSumBytes;
  if (!pieces.begin) {
    zero_sums();
  } else {
    for (int64_t i = 0; !whole && i < kCell; ++i)
      for (int64_t c = 0; c < kTileCols; c += W)
        store(sums + i * kTileCols + c, i < rows ? load_up_to(a.dweight.row(n + i) + col + c, cols - c) : zero());
    load_sums(to, bytes, below, right);
  }
  multiply({a.transposed + pieces.begin * a_step + n * kCell, a.pairs + pieces.begin * b_step + col * kCell, kCell * kStrip,
            a_step, b_step, pieces.end - pieces.begin},
           below, right);
  store_sums(to, bytes, below, right);
  for (int64_t i = 0; !whole && i < rows; ++i)
    for (int64_t c = 0; c < cols; c += W)
      store_up_to(a.dweight.row(n + i) + col + c, load(sums + i * kTileCols + c), cols - c);
}

void weight_gradient(const MlpBf16WeightGradient& a, Range outputs, Range inputs) {
  const int64_t pieces = (a.batch + kCell - 1) / kCell, last = least(a.outputs, outputs.end * kCell);
  configure(kCell);
  for (int64_t q = 0; a.dweight && (q < pieces || !q); q += kPieces)
    for (int64_t k = inputs.begin; k < inputs.end; k += 2)
      for (int64_t n = outputs.begin * kCell; n < last; n += kCell)
        weight_gradient_tile(a, {q, least(pieces, q + kPieces)}, n, k, inputs.end - k >= 2);
  _tile_release();
  bias_gradients(a, outputs, inputs);
}

}  // namespace
}  // namespace dlrm::amx
DLRM_TARGET_END

namespace dlrm {
const MlpBf16Kernels mlp_bf16_amx = {
    amx::pack_transposed, amx::pack, amx::load_rows, amx::output_gradient,
    amx::product, amx::transpose_cells, amx::pair, amx::weight_gradient,
};
}
#endif
