// Products with compressed weights (sparse.h). Included behind kernel.inl, once per ISA.

// body(first example, examples, first column, columns) of tiles of at most W x W.
template <class F>
DLRM_INLINE void for_squares(const MlpRows& a, F&& body) {
  for (int64_t i = 0; i < a.rows; i += W)
    for (int64_t c = 0; c < a.cols; c += W)
      body(i, static_cast<int>(least(W, a.rows - i)), c, static_cast<int>(least(W, a.cols - c)));
}

DLRM_INLINE float* square_at(const MlpRows& a, int64_t i, int64_t c) {
  return a.data + i * a.row + c / P * a.strip + c % P;
}

// Lanes without an example are zero, up to the next multiple of W.
void load_panel(const MlpRows& from, float* panel) {
  for_squares(from, [&](int64_t i, int rows, int64_t c, int cols) {
    const float* x = square_at(from, i, c);
    Vec square[W];
    for (int r = 0; r < W; ++r) square[r] = r < rows ? load_n(x + r * from.row, cols) : zero();
    transpose(square);
    for (int k = 0; k < cols; ++k) store(panel + (c + k) * P + i, square[k]);
  });
}

void store_panel(const float* panel, const MlpRows& to) {
  for_squares(to, [&](int64_t i, int rows, int64_t c, int cols) {
    float* y = square_at(to, i, c);
    Vec square[W];
    for (int k = 0; k < W; ++k) square[k] = k < cols ? load(panel + (c + k) * P + i) : zero();
    transpose(square);
    for (int r = 0; r < rows; ++r) store_n(y + r * to.row, square[r], cols);
  });
}

template <int V>
void sparse_panel(const MlpSparse& a, const float* in, float* out) {
  constexpr int G = MlpSparse::kGroup;
  for (int64_t g = 0; g < a.groups; ++g) {
    const int32_t* outputs = a.group_outputs + g * G;
    Vec acc[G][V];
#pragma GCC unroll 16
    for (int i = 0; i < G; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) acc[i][v] = set1(a.bias[outputs[i]]);
    const float* weight = a.group_weights + int64_t{a.group_starts[g]} * G;
    const uint16_t* input = a.group_inputs + int64_t{a.group_starts[g]} * G;
#pragma GCC unroll 2
    for (int32_t s = a.group_starts[g + 1] - a.group_starts[g]; s > 0; --s, weight += G, input += G) {
#pragma GCC unroll 16
      for (int i = 0; i < G; ++i) {
        const Vec w = set1(weight[i]);
        const float* x = in + int64_t{input[i]} * P;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) acc[i][v] = fma(w, load(x + v * W), acc[i][v]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < G; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) store(out + outputs[i] * P + v * W, acc[i][v]);
  }
}

void sparse_panel(const MlpSparse& a, const float* in, float* out, int64_t rows) {
  if (rows > W)
    sparse_panel<2>(a, in, out);
  else
    sparse_panel<1>(a, in, out);
  const Tile y{out, P, 0};
  finish(a.activation, y, y, static_cast<int>(a.outputs), 1, P);
}

// One step of a group, for one example: sum + weights * inputs, lane i for output i.
DLRM_INLINE __m128 group_step(const float* weight, const uint16_t* input, const float* in, __m128 sum) {
  const __m128 a = _mm_insert_ps(_mm_load_ss(in + input[0]), _mm_load_ss(in + input[1]), 0x10);
  const __m128 b = _mm_insert_ps(_mm_load_ss(in + input[2]), _mm_load_ss(in + input[3]), 0x10);
  return _mm_fmadd_ps(_mm_loadu_ps(weight), _mm_movelh_ps(a, b), sum);
}

// `together` groups from g on, so that one's sums hide the latency of the other's.
template <int Together>
DLRM_INLINE void sparse_groups(const MlpSparse& a, const float* in, float* out, int64_t g) {
  constexpr int G = MlpSparse::kGroup;
  const int32_t* outputs = a.group_outputs + g * G;
  __m128 sums[Together];
  int64_t step[Together], end[Together];
  for (int t = 0; t < Together; ++t) {
    const int32_t* n = outputs + t * G;
    sums[t] = _mm_setr_ps(a.bias[n[0]], a.bias[n[1]], a.bias[n[2]], a.bias[n[3]]);
    step[t] = a.group_starts[g + t];
    end[t] = a.group_starts[g + t + 1];
  }
  const auto advance = [&](int t) {
    sums[t] = group_step(a.group_weights + step[t] * G, a.group_inputs + step[t] * G, in, sums[t]);
    ++step[t];
  };
  while (step[Together - 1] < end[Together - 1])  // the last group has the fewest
#pragma GCC unroll 16
    for (int t = 0; t < Together; ++t) advance(t);
  for (int t = 0; t + 1 < Together; ++t)
    while (step[t] < end[t]) advance(t);
  for (int t = 0; t < Together; ++t) {
    float values[G];
    _mm_storeu_ps(values, sums[t]);
    for (int i = 0; i < G; ++i) out[outputs[t * G + i]] = values[i];
  }
}

// out[n] += w x for the entries of one column. Four at a time and from registers: entry by entry through memory, x86 takes
// twice as long.
DLRM_INLINE void add_column(const float* weight, const uint16_t* output, int32_t entries, float x, float* out) {
  const __m128 input = _mm_set1_ps(x);
  for (; entries > 0; entries -= MlpSparse::kTogether, weight += MlpSparse::kTogether, output += MlpSparse::kTogether) {
    float *to0 = out + output[0], *to1 = out + output[1], *to2 = out + output[2], *to3 = out + output[3];
    const __m128 a = _mm_insert_ps(_mm_load_ss(to0), _mm_load_ss(to1), 0x10);
    const __m128 b = _mm_insert_ps(_mm_load_ss(to2), _mm_load_ss(to3), 0x10);
    const __m128 sums = _mm_fmadd_ps(_mm_loadu_ps(weight), input, _mm_movelh_ps(a, b));
    _mm_store_ss(to0, sums);
    _mm_store_ss(to1, _mm_movehdup_ps(sums));
    _mm_store_ss(to2, _mm_movehl_ps(sums, sums));
    _mm_store_ss(to3, _mm_shuffle_ps(sums, sums, 3));
  }
}

// The inputs that are not 0 are listed first, so that no branch has to guess which they are.
void sparse_columns(const MlpSparse& a, const float* in, float* out) {
  constexpr int64_t kBlock = 256;
  uint16_t active[kBlock];
  for (int64_t n = 0; n < a.outputs; ++n) out[n] = a.bias[n];
  for (int64_t n = 0; n < MlpSparse::kTogether; ++n) out[a.outputs + n] = 0;
  for (int64_t first = 0; first < a.inputs; first += kBlock) {
    const float* x = in + first;
    const int64_t inputs = least(kBlock, a.inputs - first);
    int64_t count = 0;
    for (int64_t k = 0; k < inputs; ++k) {
      active[count] = static_cast<uint16_t>(k);
      count += x[k] != 0;
    }
    for (int64_t i = 0; i < count; ++i) {
      const int32_t* start = a.column_starts + first + active[i];
      add_column(a.column_weights + start[0], a.column_outputs + start[0], start[1] - start[0], x[active[i]], out);
    }
  }
}

void sparse_example(const MlpSparse& a, const float* in, float* out) {
  int64_t g = a.has_columns ? a.groups : 0;
  if (a.has_columns) sparse_columns(a, in, out);
  for (; g + 1 < a.groups; g += 2) sparse_groups<2>(a, in, out, g);
  if (g < a.groups) sparse_groups<1>(a, in, out, g);
  const Tile y{out, 0, P};
  finish(a.activation, y, y, 1, static_cast<int>(strips_of(a.outputs)), a.outputs);
}
