#include "base/table_rows.h"
#include "base/target.h"
#include "ops/embedding_update/embedding_update.h"

namespace dlrm::scalar {
namespace {
#include "base/simd_scalar.h"
#include "optim/adagrad.h"
#include "optim/adam.h"
#include "optim/ftrl.h"
#include "optim/rowwise_adagrad.h"
#include "optim/sgd.h"

int64_t row_of(uint64_t key) { return static_cast<int64_t>(key >> 32); }

// What element e of the gradient is worth to this lookup.
float gradient_of(const EmbeddingUpdateArgs& a, uint64_t key, int64_t e) {
  const float row_weight = a.row_weights ? a.row_weights[row_of(key)] : 1;
  if (!a.sources) return row_weight * a.dout[static_cast<uint32_t>(key) + e];
  const LookupSource& source = a.sources[static_cast<uint32_t>(key)];
  const float d = a.dout[source.gradient + e];
  if (source.lookup >= 0) return a.positions[source.positions + e] == source.lookup ? d : 0;
  return source.scale * d;
}

float weight(const EmbeddingUpdateArgs& a, int64_t row, int64_t e) {
  return row_number(a.dtype, static_cast<char*>(a.weight) + row * a.weight_stride * dtype_bytes(a.dtype), a.width, e);
}

void set_weight(const EmbeddingUpdateArgs& a, int64_t row, int64_t e, float w) {
  const int64_t at = row * a.weight_stride + e;
  if (a.dtype == DType::f32) {
    static_cast<float*>(a.weight)[at] = w;
    return;
  }
  const uint32_t random = rounding_word(a.rounding.row(row), static_cast<uint32_t>(e));
  static_cast<uint16_t*>(a.weight)[at] = a.dtype == DType::bf16 ? to_bf16(w, random) : to_f16(w, random);
}

template <class Rule>
void update_row(const EmbeddingUpdateArgs& a, int64_t row, const float* gradient) {
  const Rule rule(a.rule);
  for (int64_t e = 0; e < a.width; ++e) {
    float state[Rule::kStates + 1];
    for (int i = 0; i < Rule::kStates; ++i) state[i] = a.state[i][row * a.state_stride[i] + e];
    set_weight(a, row, e, rule(weight(a, row, e), a.rule.scale * gradient[e], state));
    for (int i = 0; i < Rule::kStates; ++i) a.state[i][row * a.state_stride[i] + e] = state[i];
  }
}

void update_row_at_once(const EmbeddingUpdateArgs& a, int64_t row, const float* gradient) {
  const RowwiseAdagrad rule(a.rule);
  const auto decayed = [&](int64_t e) { return a.rule.scale * gradient[e] + rule.weight_decay * weight(a, row, e); };
  float squares = 0;
  for (int64_t e = 0; e < a.width; ++e) squares += decayed(e) * decayed(e);
  const float factor = rule.factor(squares / static_cast<float>(a.width), a.state[0] + row);
  for (int64_t e = 0; e < a.width; ++e) set_weight(a, row, e, rule(weight(a, row, e), decayed(e), factor));
}

void apply(const EmbeddingUpdateArgs& a, int64_t row, const float* gradient) {
  switch (a.rule.kind) {
    case RuleKind::adagrad: return update_row<Adagrad>(a, row, gradient);
    case RuleKind::rowwise_adagrad: return update_row_at_once(a, row, gradient);
    case RuleKind::adam: return update_row<Adam>(a, row, gradient);
    case RuleKind::ftrl: return update_row<Ftrl>(a, row, gradient);
    case RuleKind::momentum: return update_row<Momentum>(a, row, gradient);
    default: return update_row<Sgd>(a, row, gradient);
  }
}

// fn(row) for each row whose first key lies in the range; its gradient is then in `gradient`.
template <class F>
void each_row(const EmbeddingUpdateArgs& a, Range range, float* gradient, F&& fn) {
  int64_t i = range.begin;
  while (i > 0 && i < range.end && row_of(a.keys[i]) == row_of(a.keys[i - 1])) ++i;
  while (i < range.end) {
    const int64_t first = i, row = row_of(a.keys[i]);
    for (; i < a.lookups && row_of(a.keys[i]) == row; ++i)
      for (int64_t e = 0; e < a.width; ++e)
        gradient[e] = i == first ? gradient_of(a, a.keys[i], e) : gradient[e] + gradient_of(a, a.keys[i], e);
    fn(row);
  }
}

void update(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  each_row(a, range, gradient, [&](int64_t row) { apply(a, row, gradient); });
}

void update_all(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  int64_t i = 0;
  while (i < a.lookups && row_of(a.keys[i]) < range.begin) ++i;
  for (int64_t row = range.begin; row < range.end; ++row) {
    for (int64_t e = 0; e < a.width; ++e) gradient[e] = 0;
    for (; i < a.lookups && row_of(a.keys[i]) == row; ++i)
      for (int64_t e = 0; e < a.width; ++e) gradient[e] += gradient_of(a, a.keys[i], e);
    apply(a, row, gradient);
  }
}

void sum(const EmbeddingUpdateArgs& a, Range range, int64_t slice) {
  each_column(a.columns, a.column_count, range, [&](const UpdateColumn& c, Range part) {
    int64_t bag = c.bag_of(part.begin, a.batch);
    for (int64_t i = part.begin; i < part.end; ++i) {
      while (i >= c.offsets[bag + 1]) ++bag;
      const int64_t row = c.indices[i];
      const float* d = a.dout + c.gradient_of(bag, i);
      float* sums = a.sums + (slice * a.rows + row) * sum_floats(a.width);
      for (int64_t e = 0; e < a.width; ++e) {
        if (c.pooling == Pooling::max)
          sums[e] += a.positions[c.positions + bag * c.positions_stride + e] == i ? d[e] : 0;
        else
          sums[e] += (a.row_weights ? a.row_weights[row] : c.scale_of(bag, i)) * d[e];
      }
      a.touched[slice * a.rows + row] = 1;
    }
  });
}

// The row's sum goes to `gradient`; returns whether any lookup touched it.
bool add_slices(const EmbeddingUpdateArgs& a, int64_t row, float* gradient) {
  bool touched = false;
  for (int64_t e = 0; e < a.width; ++e) gradient[e] = 0;
  for (int64_t slice = 0; slice < a.slices; ++slice) {
    const int64_t at = slice * a.rows + row;
    if (a.touched[at]) touched = true;
    for (int64_t e = 0; e < a.width; ++e) gradient[e] += a.sums[at * sum_floats(a.width) + e];
  }
  return touched;
}

void update_sums(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  for (int64_t row = range.begin; row < range.end; ++row)
    if (add_slices(a, row, gradient) || a.whole) apply(a, row, gradient);
}

double squares(const EmbeddingUpdateArgs& a, Range range, float* gradient) {
  double sum = 0;
  const auto add = [&](int64_t) {
    for (int64_t e = 0; e < a.width; ++e) sum += static_cast<double>(gradient[e]) * gradient[e];
  };
  if (!a.slices)
    each_row(a, range, gradient, add);
  else
    for (int64_t row = range.begin; row < range.end; ++row)
      if (add_slices(a, row, gradient)) add(row);
  return sum;
}

}  // namespace
}  // namespace dlrm::scalar

namespace dlrm {
const EmbeddingUpdateKernels embedding_update_scalar = {scalar::update, scalar::update_all, scalar::sum, scalar::update_sums, scalar::squares};
}
