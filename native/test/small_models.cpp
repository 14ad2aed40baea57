#include "test/small_models.h"

#include "base/rng.h"

namespace dlrm::test {

GraphSpec dlrm_graph() {
  GraphSpec spec;
  spec.inputs.dense = 3;
  spec.inputs.rows = {50, 7, 1};
  spec.inputs.table_names = {"C1", "C2", "C3"};
  spec.nodes = {
      {"embedding_bag", "emb_l", {"tables"}, {"e"}, {{"rows", std::vector<double>{50, 7, 1}}, {"width", 5.0}, {"mode", std::string("sum")}}},
      {"mlp", "bot_l", {"dense"}, {"x"}, {{"layers", std::vector<double>{9, 5}}}},
      {"interaction_dot", "z", {"x", "e"}, {"z"}, {}},
      {"mlp", "top_l", {"z"}, {"logits"}, {{"layers", std::vector<double>{8, 1}}, {"last", std::string("none")}}},
      {"sigmoid", "p", {"logits"}, {"p"}, {}},
      {"bce_loss", "loss", {"logits", "labels"}, {"loss"}, {}},
  };
  spec.loss = "loss";
  spec.prediction = "p";
  return spec;
}

Batch random_batch(const InputSpec& inputs, int64_t size, uint64_t seed) {
  Philox random{seed};
  uint64_t count = 0;
  const auto next = [&] { return random(count++).v[0]; };
  Batch batch;
  batch.size = size;
  for (int64_t i = 0; i < size * inputs.dense; ++i) batch.dense.push_back(uniform01(next()) * 2 - 1);
  for (int64_t i = 0; i < size; ++i) batch.labels.push_back(static_cast<float>(next() % 2));
  for (const int64_t rows : inputs.rows) {
    Batch::Table table;
    table.offsets.push_back(0);
    for (int64_t b = 0; b < size; ++b) {
      for (uint32_t n = next() % 4; n > 0; --n) table.indices.push_back(static_cast<int32_t>(next() % rows));
      table.offsets.push_back(static_cast<int32_t>(table.indices.size()));
    }
    batch.tables.push_back(table);
  }
  batch.check(inputs, true);
  batch.derive(inputs, nullptr);
  return batch;
}

std::vector<float> values(const Program& program, size_t index) {
  size_t i = 0, size = 0;
  program.each_tensor([&](const Tensor& tensor) {  // also while another thread quantises
    if (i++ == index) size = static_cast<size_t>(tensor.size());
  });
  std::vector<float> data(size);
  program.read(index, 0, static_cast<int64_t>(data.size()), data.data());
  return data;
}

std::vector<GroupRule> all(Attrs rule) { return {{"*", std::move(rule)}}; }
Attrs rule(const char* name) { return {{"rule", std::string(name)}}; }
std::vector<GroupRule> sgd() { return all(rule("sgd")); }

}  // namespace dlrm::test
