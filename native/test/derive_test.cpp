// Columns derived from those of a batch, against their definitions written out plainly.
#include <cstring>
#include <functional>

#include "base/rng.h"
#include "exec/batch.h"
#include "exec/graph.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

struct Bag {
  std::vector<int32_t> indices;
  std::vector<float> weights;
};

// Columns 0 and 1 one-hot, 2 multi-hot with empty bags, 3 the same with weights; behind them one column of each kind, and
// columns derived from derived ones.
InputSpec spec() {
  InputSpec inputs{2, {1000, 7, 300, 50}, {"a", "b", "c", "d"}};
  inputs.derived = {
      {DerivedColumn::cross, {0, 1}, 7000},                    // 4: exact
      {DerivedColumn::cross, {0, 1}, 6999},                    // 5: hashed
      {DerivedColumn::cross, {2, 3}, 11},                      // 6: weights of one side
      {DerivedColumn::cross, {3, 3}, 2500},                    // 7: weights of both
      {DerivedColumn::bucket, {1}, 4, {-0.5f, 0, 0.25f}},      // 8
      {DerivedColumn::cross, {8, 2}, 1200},                    // 9
      {DerivedColumn::quotient, {3}, 17, {}, 3},               // 10
      {DerivedColumn::remainder, {3}, 3, {}, 3},               // 11
      {DerivedColumn::quotient, {0}, 1000, {}, 1},             // 12
      {DerivedColumn::remainder, {0}, 1000, {}, 2147483647},   // 13
      {DerivedColumn::bucket, {0}, 1, {}},                     // 14: no boundaries
  };
  return inputs;
}

void fill(Batch& batch, const InputSpec& inputs, int64_t size, uint64_t seed) {
  Philox random{seed};
  uint64_t count = 0;
  const auto next = [&] { return random(count++).v[0]; };
  batch.size = size;
  batch.dense.clear();
  for (int64_t i = 0; i < size * inputs.dense; ++i) batch.dense.push_back(static_cast<float>(next() % 9) * 0.25f - 1);
  batch.tables.resize(inputs.rows.size());
  for (size_t t = 0; t < inputs.rows.size(); ++t) {
    Batch::Table& table = batch.tables[t];
    table = {{0}, {}, {}, t == 3};
    for (int64_t b = 0; b < size; ++b) {
      for (uint32_t n = t < 2 ? 1 : next() % 4; n > 0; --n) {
        table.indices.push_back(static_cast<int32_t>(next() % static_cast<uint64_t>(inputs.rows[t])));
        if (t == 3) table.weights.push_back(uniform01(next()) * 3 - 1);
      }
      table.offsets.push_back(static_cast<int32_t>(table.indices.size()));
    }
  }
  batch.check(inputs, false);
}

Bag bag_of(const Bags& bags, int64_t column, int64_t b) {
  Bag bag;
  const bool weighted = bags.weights && bags.weights[column];
  for (int32_t i = bags.offsets[column][b]; i < bags.offsets[column][b + 1]; ++i) {
    bag.indices.push_back(bags.indices[column][i]);
    bag.weights.push_back(weighted ? bags.weights[column][i] : 1);
  }
  return bag;
}

Bag expected(const InputSpec& inputs, const Batch& batch, const DerivedColumn& column, int64_t b) {
  Bag bag;
  if (column.kind == DerivedColumn::bucket) {
    int32_t bucket = 0;
    for (const float boundary : column.boundaries) bucket += boundary <= batch.dense[static_cast<size_t>(b * inputs.dense + column.from[0])];
    return {{bucket}, {1}};
  }
  const Bag from = bag_of(batch.bags(), column.from[0], b);
  if (column.kind != DerivedColumn::cross) {
    for (const int32_t index : from.indices)
      bag.indices.push_back(static_cast<int32_t>(column.kind == DerivedColumn::quotient ? index / column.divisor : index % column.divisor));
    bag.weights = from.weights;
    return bag;
  }
  const Bag with = bag_of(batch.bags(), column.from[1], b);
  const int64_t rows_a = inputs.rows_of(static_cast<size_t>(column.from[0])), rows_b = inputs.rows_of(static_cast<size_t>(column.from[1]));
  for (size_t i = 0; i < from.indices.size(); ++i)
    for (size_t j = 0; j < with.indices.size(); ++j) {
      const int32_t a = from.indices[i], c = with.indices[j];
      bag.indices.push_back(column.rows >= rows_a * rows_b ? static_cast<int32_t>(a * rows_b + c) : hash_to_row(cross_hash(a, c), column.rows));
      bag.weights.push_back(from.weights[i] * with.weights[j]);
    }
  return bag;
}

}  // namespace

// Saved models depend on these numbers.
TEST(derive_cross_hash_never_changes) {
  expect(cross_hash(0, 0) == 0, "(0, 0)");
  expect(cross_hash(0, 1) == 0xb456bcfc34c2cb2cull, "(0, 1)");
  expect(cross_hash(1, 0) == 0xba3a9e160a5f1419ull, "(1, 0)");
  expect(cross_hash(123456, 7) == 0x59b8947824c5da4aull, "(123456, 7)");
  expect(cross_hash(2147483646, 2147483646) == 0xf31de4baea9fa3b2ull, "the greatest");
  expect(hash_to_row(cross_hash(123456, 7), 1000003) == 350473, "row");
  expect(hash_to_row(UINT64_MAX, INT32_MAX) == INT32_MAX - 1, "the last row");
}

TEST(derive_gives_what_the_definitions_say) {
  const InputSpec inputs = spec();
  check_derived(inputs);
  Batch batch;  // reused, as the binding does
  for (const int64_t size : {5, 1300, 0, 1, 600}) {
    fill(batch, inputs, size, static_cast<uint64_t>(size) + 3);
    batch.derive(inputs, nullptr);
    const Bags& bags = batch.bags();
    expect(bags.tables == 15, "%lld columns", static_cast<long long>(bags.tables));
    for (size_t d = 0; d < inputs.derived.size(); ++d) {
      const auto column = static_cast<int64_t>(inputs.rows.size() + d);
      expect(bags.offsets[column][0] == 0, "column %lld: first offset", static_cast<long long>(column));
      for (int64_t b = 0; b < size; ++b) {
        const Bag want = expected(inputs, batch, inputs.derived[d], b), got = bag_of(bags, column, b);
        expect(got.indices == want.indices && got.weights == want.weights, "column %lld, example %lld of %lld", static_cast<long long>(column),
               static_cast<long long>(b), static_cast<long long>(size));
        for (const int32_t index : got.indices)
          expect(index >= 0 && index < inputs.derived[d].rows, "column %lld: index %d", static_cast<long long>(column), index);
      }
    }
    expect(bags.offsets[4] == bags.offsets[0] && bags.offsets[10] == bags.offsets[3], "offsets are shared");
  }
}

TEST(derive_is_the_same_with_any_number_of_threads_and_takes_no_more_memory) {
  const InputSpec inputs = spec();
  Batch serial, parallel;
  fill(serial, inputs, 3000, 1);
  fill(parallel, inputs, 3000, 1);
  serial.derive(inputs, nullptr);
  Pool pool(3);
  pool.serial_below_ns = 0;
  parallel.derive(inputs, &pool);
  std::vector<const int32_t*> first(parallel.bags().indices, parallel.bags().indices + parallel.bags().tables);
  for (int64_t c = 0; c < serial.bags().tables; ++c) {
    const auto bytes = static_cast<size_t>(serial.bags().lookups(c)) * sizeof(int32_t);
    expect(!memcmp(serial.bags().indices[c], parallel.bags().indices[c], bytes), "column %lld", static_cast<long long>(c));
  }
  fill(parallel, inputs, 2000, 2);
  parallel.derive(inputs, &pool);
  for (size_t c = inputs.rows.size(); c < first.size(); ++c)
    expect(parallel.bags().indices[c] == first[c], "column %zu moved", c);
}

TEST(derive_example_weights_are_one_unless_given) {
  const InputSpec inputs{0, {5}, {"a"}};
  Batch batch;
  batch.size = 3;
  batch.tables = {{{0, 1, 2, 3}, {0, 1, 2}, {}, false}};
  batch.check(inputs, false);
  batch.derive(inputs, nullptr);
  for (int b = 0; b < 3; ++b) expect(batch.example_weights()[b] == 1, "example %d", b);
  batch.weights = {0, 2, 5};
  batch.check(inputs, false);
  batch.derive(inputs, nullptr);
  expect(batch.example_weights()[2] == 5, "given weights");
  batch.weights = {0, 2};
  expect_error(Code::shape, "weights: expected B = 3, received 2", [&] { batch.check(inputs, false); });
  batch.weights = {0, 2, -1};
  expect_error(Code::value, "received -1 at position 2", [&] { batch.check(inputs, false); });
  batch.weights = {0, INFINITY, 1};
  expect_error(Code::value, "weights: expected finite", [&] { batch.check(inputs, false); });
}

TEST(derive_refuses_what_cannot_be_computed) {
  const auto broken = [](const char* text, const DerivedColumn& column) {
    InputSpec inputs{2, {1000, 7}, {"a", "b"}};
    inputs.derived = {column};
    expect_error(Code::argument, text, [&] { check_derived(inputs); });
  };
  broken("expected 2 in from", {DerivedColumn::cross, {0}, 10});
  broken("expected less than 2, received 2", {DerivedColumn::cross, {0, 2}, 10});
  broken("received -1", {DerivedColumn::cross, {0, -1}, 10});
  broken("rows: expected 1", {DerivedColumn::cross, {0, 1}, 0});
  broken("rows: expected 1", {DerivedColumn::cross, {0, 1}, 1LL << 31});
  broken("expected less than 2, received 2", {DerivedColumn::bucket, {2}, 2, {0}});
  broken("ascending", {DerivedColumn::bucket, {0}, 3, {0, 0}});
  broken("ascending", {DerivedColumn::bucket, {0}, 2, {NAN}});
  broken("rows: expected 3", {DerivedColumn::bucket, {0}, 2, {0, 1}});
  broken("divisor", {DerivedColumn::quotient, {0}, 10, {}, 0});
  broken("divisor", {DerivedColumn::remainder, {0}, 10, {}, 1LL << 31});
  broken("rows: expected 334", {DerivedColumn::quotient, {0}, 333, {}, 3});
  broken("rows: expected 3", {DerivedColumn::remainder, {0}, 2, {}, 3});
  InputSpec inputs{0, {1000}, {"a"}};
  inputs.derived = {{DerivedColumn::cross, {0, 0}, 10}};
  Batch batch;
  batch.size = 1;
  batch.tables = {{{0, 50000}, std::vector<int32_t>(50000), {}, false}};
  batch.check(inputs, false);
  expect_error(Code::shape, "more than 2^31 - 1 pairs", [&] { batch.derive(inputs, nullptr); });
}

TEST(graph_refuses_a_prediction_that_needs_the_labels) {
  GraphSpec graph;
  graph.inputs.dense = 1;
  graph.nodes = {{"concat", "c", {"dense", "labels"}, {"c"}, {}},
                 {"mlp", "m", {"c"}, {"p"}, {{"layers", std::vector<double>{1}}}},
                 {"mse_loss", "loss", {"p", "labels", "weights"}, {"loss"}, {}}};
  graph.loss = "loss";
  graph.prediction = "p";
  expect_error(Code::argument, "must not need the labels", [&] { Graph made(graph, Isa::scalar); });
}

}  // namespace dlrm::test
