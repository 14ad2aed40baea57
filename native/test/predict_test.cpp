// Predictions by blocks of examples.
#include "base/error.h"
#include "exec/batch_block.h"
#include "exec/program.h"
#include "test/small_models.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

std::vector<float> predict(Program& program, const Batch& batch, Pool* pool) {
  std::vector<float> p(static_cast<size_t>(batch.size), -1);
  program.predict(batch, p.data(), pool);
  return p;
}

// Runs op by op, on the whole batch.
std::vector<float> evaluate(Program& program, const Batch& batch) {
  std::vector<float> p(static_cast<size_t>(batch.size), -1);
  program.evaluate(batch, p.data(), nullptr);
  return p;
}

// A batch of which example `at` looks up so many rows of table 0.
Batch with_giant(const InputSpec& inputs, int64_t size, int64_t at, int64_t lookups) {
  Batch batch = random_batch(inputs, size, 5);
  Batch::Table& table = batch.tables[0];
  std::vector<int32_t> more(static_cast<size_t>(lookups));
  for (int64_t i = 0; i < lookups; ++i) more[static_cast<size_t>(i)] = static_cast<int32_t>(i * i % inputs.rows[0]);
  table.indices.insert(table.indices.begin() + table.offsets[static_cast<size_t>(at)], more.begin(), more.end());
  for (size_t b = static_cast<size_t>(at) + 1; b < table.offsets.size(); ++b) table.offsets[b] += static_cast<int32_t>(lookups);
  batch.check(inputs, true);
  batch.derive(inputs, nullptr);
  return batch;
}

}  // namespace

TEST(predictions_are_bitwise_those_of_an_evaluation_with_any_number_of_threads) {
  GraphSpec derived = dlrm_graph(), maximum = dlrm_graph();
  derived.inputs.derived = {{DerivedColumn::cross, {0, 1}, 11}};
  derived.nodes[0].attrs.set("rows", std::vector<double>{50, 7, 1, 11});
  maximum.nodes[0].attrs.set("mode", std::string("max"));
  for (const GraphSpec& spec : {dlrm_graph(), derived, maximum})
    for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) {
      Program program(spec, static_cast<Isa>(isa), 11);
      for (const int64_t size : {1, 15, 16, 17, 33, 64, 500, 1030}) {
        const Batch batch = random_batch(program.inputs(), size, static_cast<uint64_t>(size));
        const std::vector<float> expected = evaluate(program, batch);
        expect(predict(program, batch, nullptr) == expected, "%s, no threads, B = %d differs", isa_name(static_cast<Isa>(isa)), static_cast<int>(size));
        for (const int threads : {1, 3, 5}) {
          Pool pool(threads);
          pool.serial_below_ns = 0;
          expect(predict(program, batch, &pool) == expected, "%s, %d threads, B = %d differs", isa_name(static_cast<Isa>(isa)), threads,
                 static_cast<int>(size));
        }
      }
    }
}

TEST(predictions_of_a_giant_bag_are_bitwise_the_same_with_any_number_of_threads) {
  Program program(dlrm_graph(), best_isa(), 11);
  for (const int64_t lookups : {3000, 60000}) {
    const Batch batch = with_giant(program.inputs(), 90, 41, lookups);
    const std::vector<float> expected = evaluate(program, batch);
    for (const int threads : {1, 2, 5}) {
      Pool pool(threads);
      pool.serial_below_ns = 0;
      expect(predict(program, batch, &pool) == expected, "%d lookups, %d threads: differs", static_cast<int>(lookups), threads);
    }
  }
}

TEST(blocks_are_not_even_where_one_has_most_of_the_lookups) {
  const InputSpec inputs = dlrm_graph().inputs;
  expect(even_blocks(random_batch(inputs, 100, 3).bags(), {100, 16}), "random bags");
  expect(even_blocks(with_giant(inputs, 100, 99, 3000).bags(), {100, 16}), "a bag of 3,000");
  expect(!even_blocks(with_giant(inputs, 100, 99, 9000).bags(), {100, 16}), "a bag of 9,000");
}

// What an op refuses reaches the caller from any thread, and the next prediction is as ever.
TEST(prediction_passes_on_an_error_of_a_block) {
  GraphSpec spec = dlrm_graph();
  spec.nodes[0].attrs.set("row_weights", std::string("v"));
  Program program(spec, best_isa(), 11);
  Pool pool(3);
  pool.serial_below_ns = 0;
  const Batch good = random_batch(program.inputs(), 300, 2);
  const std::vector<float> expected = predict(program, good, &pool);
  Batch bad = good;
  bad.tables[1].weighted = true;
  bad.tables[1].weights.assign(bad.tables[1].indices.size(), 1);
  bad.derive(program.inputs(), nullptr);
  expect_error(Code::argument, "learned row weights already", [&] { predict(program, bad, &pool); });
  expect(predict(program, good, &pool) == expected, "differs after an error");
}

}  // namespace dlrm::test
