// Programs on a CUDA device: the one of the plugin that main.cpp has chosen, as a rule the emulated one.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <future>

#include "base/compute_thread.h"
#include "base/device.h"
#include "exec/graph_cache.h"
#include "exec/program.h"
#include "test/plugin_or_skip.h"
#include "test/small_models.h"

namespace dlrm::test {
namespace {

// Logistic regression on one column of bags.
GraphSpec table_graph() {
  GraphSpec spec;
  spec.inputs.rows = {60};
  spec.inputs.table_names = {"C1"};
  spec.nodes = {
      {"embedding_bag", "e", {"tables"}, {"e"}, {{"rows", std::vector<double>{60}}, {"width", 1.0}, {"mode", std::string("sum")}}},
      {"bce_loss", "loss", {"e", "labels"}, {"loss"}, {}},
  };
  spec.loss = "loss";
  spec.prediction = "e";
  return spec;
}

// "a" is used twice: its gradient has two parts, which are added up.
GraphSpec shared_graph() {
  const auto layers = [](double n) { return Attrs{{"layers", std::vector<double>{n}}, {"last", std::string("none")}}; };
  GraphSpec spec;
  spec.inputs.dense = 3;
  spec.nodes = {
      {"mlp", "a", {"dense"}, {"a"}, layers(4)},
      {"mlp", "b", {"a"}, {"b"}, layers(5)},
      {"concat", "c", {"a", "b"}, {"c"}, {}},
      {"mlp", "top", {"c"}, {"p"}, layers(1)},
      {"bce_loss", "loss", {"p", "labels"}, {"loss"}, {}},
  };
  spec.loss = "loss";
  spec.prediction = "p";
  return spec;
}

void expect_close(float is, float should, double most, const char* what, size_t i) {
  expect(std::fabs(is - should) <= most, "%s, %zu: %.9g, on the CPU %.9g, may differ by %.3g", what, i, is, should, most);
}

// Relative to the largest number of each.
void expect_same_tensors(const Program& is, const Program& should, double tolerance) {
  const auto tensors = should.tensors();
  for (size_t t = 0; t < tensors.size(); ++t) {
    const std::vector<float> a = values(is, t), b = values(should, t);
    float largest = 0;
    for (const float x : b) largest = std::max(largest, std::fabs(x));
    for (size_t i = 0; i < b.size(); ++i) expect_close(a[i], b[i], tolerance * largest, tensors[t]->spec.name.c_str(), i);
  }
}

Batch one_hot_batch(const InputSpec& inputs, int64_t size, uint64_t seed) {
  Batch batch = random_batch(inputs, size, seed);
  for (size_t t = 0; t < batch.tables.size(); ++t) {
    Batch::Table& table = batch.tables[t];
    table.indices.resize(static_cast<size_t>(size));
    for (int64_t b = 0; b <= size; ++b) table.offsets[static_cast<size_t>(b)] = static_cast<int32_t>(b);
    for (int64_t b = 0; b < size; ++b)
      table.indices[static_cast<size_t>(b)] = static_cast<int32_t>((b * 7 + static_cast<int64_t>(seed + t)) % inputs.rows[t]);
  }
  batch.check(inputs, true);
  batch.derive(inputs, nullptr);
  return batch;
}

// Ten steps on both: bags of several indices, batches of other sizes, and the same sizes again and again, which are recorded.
void train_both(const GraphSpec& spec, const std::vector<GroupRule>& rules, double clip_norm = 0) {
  Program cpu(spec, best_isa(), 3), device(spec, best_isa(), 3, Device::cuda);
  expect_same_tensors(device, cpu, 0);
  cpu.compile(rules, 24, clip_norm);
  device.compile(rules, 24, clip_norm);
  for (int64_t step = 1; step <= 12; ++step) {
    const Batch batch = step % 5 == 0 ? random_batch(spec.inputs, 24, static_cast<uint64_t>(step))
                                      : one_hot_batch(spec.inputs, 17, static_cast<uint64_t>(step));
    const std::vector<double> rates(rules.size(), 0.1 / static_cast<double>(step));
    const double loss = cpu.step(batch, rates, step, nullptr);
    expect_close(static_cast<float>(device.step(batch, rates, step, nullptr)), static_cast<float>(loss), 1e-5, "loss", static_cast<size_t>(step));
  }
  expect_same_tensors(device, cpu, 1e-5);
  expect(device.recorded() > 0, "no step was recorded");
}

// As the addon does: the compute thread starts the steps, all in the same batch, and then quantises; another thread waits for
// the losses, and this one predicts, reads and asks for the tensors meanwhile.
void use_by_several_threads(Device device) {
  constexpr size_t kSteps = 12;
  const GraphSpec spec = dlrm_graph();
  Program shared(spec, best_isa(), 3, device), alone(spec, best_isa(), 3, device);
  shared.compile(all(rule("adagrad")), 24, 0);
  alone.compile(all(rule("adagrad")), 24, 0);
  const auto batch_of = [&](size_t step) { return random_batch(spec.inputs, step % 3 ? 17 : 24, step); };
  Batch batch;
  std::vector<double> losses(kSteps);
  const auto done = std::make_shared<std::promise<void>>();
  for (size_t step = 0; step < kSteps; ++step)
    submit([&, step](Pool& pool) {
      batch = batch_of(step);
      const auto pending = std::make_shared<PendingLoss>(shared.start_step(batch, {0.1}, static_cast<int64_t>(step + 1), &pool));
      submit_wait([&, step, pending] {
        losses[step] = pending->wait();
        if (step + 1 == kSteps) done->set_value();
      });
    });
  const Batch asked = random_batch(spec.inputs, 9, 99);
  std::vector<float> predicted(9);
  int64_t bytes = 0;
  const auto until = [&](const std::shared_ptr<std::promise<void>>& event) {
    const std::future<void> ready = event->get_future();
    for (bool last = false; !last;) {
      last = ready.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
      shared.predict(asked, predicted.data(), nullptr);
      values(shared, 0);
      bytes = 0;
      shared.each_tensor([&](const Tensor& tensor) { bytes += tensor.bytes(); });
    }
  };
  until(done);
  for (size_t step = 0; step < kSteps; ++step) {
    const double loss = alone.step(batch_of(step), {0.1}, static_cast<int64_t>(step + 1), nullptr);
    expect(losses[step] == loss, "step %zu: loss %.9g, alone %.9g", step, losses[step], loss);
  }
  expect_same_tensors(shared, alone, 0);
  const auto quantised = std::make_shared<std::promise<void>>();
  submit([&shared, quantised](Pool& pool) {
    shared.quantise(DType::int8, &pool);
    quantised->set_value();
  });
  const int64_t before = bytes;
  until(quantised);
  expect(bytes < before, "%lld bytes, before %lld", static_cast<long long>(bytes), static_cast<long long>(before));
}

}  // namespace

TEST(cuda_program_trains_tables_as_the_cpu) {
  plugin_or_skip();
  for (const char* name : {"sgd", "adagrad", "rowwise_adagrad", "adam"}) {
    set_context(name);
    train_both(table_graph(), all(rule(name)));
    train_both(table_graph(), all(rule(name)), 0.01);
  }
}

TEST(cuda_program_trains_a_dlrm_as_the_cpu) {
  plugin_or_skip();
  for (const char* name : {"sgd", "adagrad", "rowwise_adagrad", "adam"}) {
    set_context(name);
    train_both(dlrm_graph(), all(rule(name)));
    train_both(dlrm_graph(), all(rule(name)), 0.01);
  }
}

TEST(cuda_program_adds_the_gradients_of_a_value_used_several_times) {
  plugin_or_skip();
  train_both(shared_graph(), sgd());
}

TEST(cuda_program_predicts_and_evaluates_as_the_cpu) {
  const GraphSpec spec = dlrm_graph();
  plugin_or_skip();
  Program cpu(spec, best_isa(), 3), device(spec, best_isa(), 3, Device::cuda);
  for (const int64_t size : {5, 1, 9, 9, 9, 9, 9, 40, 9}) {
    const Batch batch = random_batch(spec.inputs, size, static_cast<uint64_t>(size));
    std::vector<float> is(static_cast<size_t>(size)), should(is);
    device.predict(batch, is.data(), nullptr);
    cpu.predict(batch, should.data(), nullptr);
    for (size_t i = 0; i < is.size(); ++i) expect_close(is[i], should[i], 1e-5, "prediction", i);
    const double loss = device.evaluate(batch, is.data(), nullptr);
    expect_close(static_cast<float>(loss), static_cast<float>(cpu.evaluate(batch, should.data(), nullptr)), 1e-5, "loss", 0);
    for (size_t i = 0; i < is.size(); ++i) expect_close(is[i], should[i], 1e-5, "judged prediction", i);
  }
}

TEST(cuda_program_takes_over_from_the_cpu_and_hands_back) {
  const GraphSpec spec = dlrm_graph();
  plugin_or_skip();
  Program cpu(spec, best_isa(), 3), whole(spec, best_isa(), 3), device(spec, best_isa(), 4, Device::cuda);
  const auto move = [](const Program& from, Program& to) {
    const auto tensors = from.tensors();
    for (size_t t = 0; t < tensors.size(); ++t) {
      const std::vector<float> numbers = values(from, t);
      to.write(t, 0, static_cast<int64_t>(numbers.size()), numbers.data());
    }
  };
  for (Program* program : {&cpu, &whole, &device}) program->compile(all(rule("adam")), 16);
  const auto train = [&](Program& program, int64_t first, int64_t last) {
    for (int64_t step = first; step <= last; ++step) program.step(random_batch(spec.inputs, 16, static_cast<uint64_t>(step)), {0.01}, step, nullptr);
  };
  train(whole, 1, 9);
  train(cpu, 1, 3);
  move(cpu, device);
  train(device, 4, 6);
  move(device, cpu);
  train(cpu, 7, 9);
  expect_same_tensors(cpu, whole, 1e-5);
}

TEST(cuda_program_reads_and_writes_parts_of_tensors) {
  plugin_or_skip();
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    set_context(dtype);
    GraphSpec spec = table_graph();
    spec.nodes[0].attrs.set("dtype", std::string(dtype));
    spec.nodes[0].attrs.set("width", 1.0);
    Program cpu(spec, best_isa(), 3), device(spec, best_isa(), 3, Device::cuda);
    const float numbers[] = {1, -2, 3.5f};
    cpu.write(0, 7, 3, numbers);
    device.write(0, 7, 3, numbers);
    expect_same_tensors(device, cpu, 0);
    float three[3];
    device.read(0, 7, 3, three);
    expect(!memcmp(three, numbers, sizeof three), "other numbers");
    const int64_t bytes = cpu.tensors()[0]->bytes();
    std::vector<uint8_t> a(static_cast<size_t>(bytes)), b(a);
    cpu.read_bytes(0, 0, bytes, a.data());
    device.read_bytes(0, 0, bytes, b.data());
    expect(a == b, "other bytes");
    device.write_bytes(0, 2, 4, a.data() + 20);
    cpu.write_bytes(0, 2, 4, a.data() + 20);
    expect_same_tensors(device, cpu, 0);
    expect_error(Code::shape, "received start 59 and count 2", [&] { device.read(0, 59, 2, three); });
  }
}

TEST(cuda_program_prunes_and_counts_zeros_as_the_cpu) {
  plugin_or_skip();
  const GraphSpec spec = table_graph();
  Program cpu(spec, best_isa(), 3), device(spec, best_isa(), 3, Device::cuda);
  cpu.prune({{{0}, 0.6}}, nullptr);
  device.prune({{{0}, 0.6}}, nullptr);
  expect_same_tensors(device, cpu, 0);
  expect(device.zeros() == cpu.zeros() && cpu.zeros()[0] == 36, "%lld zeros", static_cast<long long>(device.zeros()[0]));
}

TEST(cuda_program_graphs_do_what_was_recorded) {
  plugin_or_skip();
  const Stream stream(Device::cuda);
  Buffer from(sizeof(float), MemoryKind::device), to(sizeof(float), MemoryKind::device);
  GraphCache cache;
  int calls = 0;
  for (float number = 1; number <= 6; ++number) {
    stream.copy_and_wait(from.data(), &number, sizeof number);
    cache.run({1, 2}, stream, [&] {
      ++calls;
      stream.copy(to.data(), from.data(), sizeof number);
    });
    float copied;
    stream.copy_and_wait(&copied, to.data(), sizeof copied);
    expect(copied == number, "run %g copied %g", number, copied);
  }
  expect(calls == 2 && cache.graphs() == 1, "%d calls, %lld graphs", calls, static_cast<long long>(cache.graphs()));
  for (uint64_t key = 0; key < 40; ++key) cache.run({key}, stream, [] {});
  expect(cache.graphs() == 0, "the oldest are still there");
}

TEST(cuda_program_launches_what_cannot_be_recorded) {
  plugin_or_skip();
  const Stream stream(Device::cuda);
  GraphCache cache;
  int calls = 0;
  for (int i = 0; i < 4; ++i)
    cache.run({1}, stream, [&] {
      ++calls;
      stream.plugin().synchronise(stream.handle());  // refused while it is recorded
    });
  expect(calls == 5 && cache.graphs() == 0, "%d calls, %lld graphs", calls, static_cast<long long>(cache.graphs()));
}

TEST(cuda_program_launches_what_fails_while_it_is_recorded) {
  plugin_or_skip();
  const Stream stream(Device::cuda);
  GraphCache cache;
  int calls = 0, done = 0;
  for (int i = 0; i < 4; ++i) {
    const bool ran = cache.run({1}, stream, [&] {
      ++calls;
      stream.wait();  // throws while it is recorded
      ++done;
    });
    expect(ran, "nothing was run");
  }
  expect(calls == 5 && done == 4 && cache.graphs() == 0, "%d calls, %d done, %lld graphs", calls, done, static_cast<long long>(cache.graphs()));
}

TEST(program_is_used_by_several_threads) { use_by_several_threads(Device::cpu); }

TEST(cuda_program_is_used_by_several_threads) {
  plugin_or_skip();
  use_by_several_threads(Device::cuda);
}

TEST(cuda_program_refuses_ops_without_kernels) {
  plugin_or_skip();
  GraphSpec spec = table_graph();
  spec.nodes.insert(spec.nodes.begin() + 1, {"layer_norm", "n", {"e"}, {"n"}, {}});
  spec.nodes[2].inputs[0] = "n";
  Program cpu(spec, best_isa(), 3);
  expect_error(Code::argument, "[layer_norm] device", [&] { Program program(spec, best_isa(), 3, Device::cuda); });
}

}  // namespace dlrm::test
