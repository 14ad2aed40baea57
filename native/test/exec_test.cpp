// Graph, memory plan and program.
#include <cmath>
#include <cstring>
#include <map>
#include <memory>

#include "base/memory.h"
#include "base/rng.h"
#include "exec/plan.h"
#include "exec/program.h"
#include "test/small_models.h"
#include "test/test.h"

namespace dlrm::test {
namespace {

// dense [B,3] -> mlp "a" [B,4] used three times: both sides of an interaction, and concatenated to it.
GraphSpec shared_value_graph() {
  GraphSpec spec;
  spec.inputs.dense = 3;
  spec.nodes = {
      {"mlp", "a", {"dense"}, {"a"}, {{"layers", std::vector<double>{5, 4}}, {"last", std::string("none")}}},
      {"interaction_dot", "z", {"a", "a"}, {"z"}, {}},
      {"concat", "c", {"z", "a"}, {"c"}, {}},
      {"mlp", "top", {"c"}, {"p"}, {{"layers", std::vector<double>{1}}, {"last", std::string("sigmoid")}}},
      {"mse_loss", "loss", {"p", "labels"}, {"loss"}, {}},
  };
  spec.loss = "loss";
  spec.prediction = "p";
  return spec;
}

// Values put side by side again and again, cut, added, used twice by one node and by several.
GraphSpec tangled_graph() {
  const auto layers = [](double n, const char* last) {
    return Attrs{{"layers", std::vector<double>{n}}, {"last", std::string(last)}};
  };
  GraphSpec spec;
  spec.inputs.dense = 3;
  spec.inputs.rows = {50, 7};
  spec.inputs.table_names = {"C1", "C2"};
  spec.nodes = {
      {"embedding_bag", "e", {"tables"}, {"e"}, {{"rows", std::vector<double>{50, 7}}, {"width", 5.0}, {"mode", std::string("sum")}}},
      {"mlp", "a", {"dense"}, {"a"}, layers(4, "sigmoid")},
      {"mlp", "b", {"dense"}, {"b"}, layers(3, "none")},
      {"concat", "c1", {"a", "b", "a"}, {"c1"}, {}},
      {"concat", "c2", {"e", "c1"}, {"c2"}, {}},
      {"slice", "s", {"c2"}, {"s"}, {{"start", 2.0}, {"length", 9.0}}},
      {"mlp", "h", {"a"}, {"h"}, layers(4, "sigmoid")},
      {"add", "t", {"h", "a", "h"}, {"t"}, {}},
      {"concat", "c3", {"s", "t", "b"}, {"c3"}, {}},
      {"mlp", "y", {"c3"}, {"y"}, layers(1, "none")},
      {"mlp", "w", {"c2"}, {"w"}, layers(1, "none")},
      {"add", "p", {"y", "w"}, {"p"}, {}},
      {"mse_loss", "loss", {"p", "labels"}, {"loss"}, {}},
  };
  spec.loss = "loss";
  spec.prediction = "p";
  return spec;
}

// The same with a slice of all columns before every input of a concat or an add: a slice has its memory already, so that the
// concat must copy, in both directions. The last comes first, since gradients are added from the last node to the first.
GraphSpec with_copies(const GraphSpec& given) {
  const Graph graph(given, Isa::scalar);
  GraphSpec spec = given;
  spec.nodes.clear();
  for (size_t n = 0; n < given.nodes.size(); ++n) {
    NodeSpec node = given.nodes[n];
    for (size_t i = node.inputs.size(); (node.op == "concat" || node.op == "add") && i-- > 0;) {
      const std::string name = node.name + "_" + std::to_string(i);
      const auto cols = static_cast<double>(graph.values[static_cast<size_t>(graph.nodes[n].inputs[i])].cols);
      spec.nodes.push_back({"slice", name, {node.inputs[i]}, {name}, {{"start", 0.0}, {"length", cols}}});
      node.inputs[i] = name;
    }
    spec.nodes.push_back(node);
  }
  return spec;
}

}  // namespace

TEST(plan_never_overlaps_what_lives_together) {
  Philox random{7};
  for (uint64_t trial = 0; trial < 200; ++trial) {
    std::vector<Slot> slots;
    for (uint64_t i = 0; i < 1 + random(trial, 1).v[0] % 40; ++i) {
      const Philox::Block r = random(i, trial + 2);
      const int first = static_cast<int>(r.v[0] % 20);
      slots.push_back({{r.v[3] % 2 ? kPerExample : 3, 1 + static_cast<int64_t>(r.v[1] % 50)}, first, first + static_cast<int>(r.v[2] % 6)});
    }
    const size_t total = assign_offsets(slots, 17);
    size_t live_most = 0;
    for (int tick = 0; tick < 26; ++tick) {
      size_t live = 0;
      for (const Slot& slot : slots)
        if (slot.first <= tick && tick <= slot.last) live += align_up(slot.bytes(17));
      live_most = std::max(live_most, live);
    }
    expect(total >= live_most, "arena of %zu bytes for %zu alive at once", total, live_most);
    for (size_t i = 0; i < slots.size(); ++i) {
      expect(slots[i].offset % kAlign == 0 && slots[i].offset + slots[i].bytes(17) <= total, "slot %zu leaves the arena", i);
      for (size_t j = 0; j < i; ++j) {
        const bool together = slots[i].first <= slots[j].last && slots[j].first <= slots[i].last;
        const bool apart = slots[i].offset + slots[i].bytes(17) <= slots[j].offset || slots[j].offset + slots[j].bytes(17) <= slots[i].offset;
        expect(!together || apart, "trial %d: slots %zu and %zu overlap", static_cast<int>(trial), j, i);
      }
    }
  }
}

TEST(graph_refuses_what_makes_no_sense) {
  const auto broken = [](const char* text, Code code, const std::function<void(GraphSpec&)>& change) {
    GraphSpec spec = shared_value_graph();
    change(spec);
    expect_error(code, text, [&] { Graph graph(spec, Isa::scalar); });
  };
  broken("no op", Code::argument, [](GraphSpec& s) { s.nodes[0].op = "nonsense"; });
  broken("no value \"b\"", Code::argument, [](GraphSpec& s) { s.nodes[1].inputs[0] = "b"; });
  broken("defined twice", Code::argument, [](GraphSpec& s) { s.nodes[1].outputs[0] = "a"; });
  broken("outputs", Code::shape, [](GraphSpec& s) { s.nodes[1].outputs.push_back("y"); });
  broken("no such option", Code::argument, [](GraphSpec& s) { s.nodes[1].attrs.set("bogus", 1.0); });
  broken("one number", Code::shape, [](GraphSpec& s) { s.loss = "p"; });
  broken("one number per example", Code::shape, [](GraphSpec& s) { s.prediction = "a"; });
  broken("defined twice", Code::argument, [](GraphSpec& s) { s.nodes[3].name = "a"; });
}

// What one step of SGD took off every parameter, as a gradient, against finite differences over the whole graph: values are
// used several times, so that their gradients must be added up.
TEST(program_adds_the_gradients_of_a_value_used_several_times) {
  for (const GraphSpec& spec : {shared_value_graph(), tangled_graph(), with_copies(tangled_graph())}) {
    Program program(spec, Isa::scalar, 3), fresh(spec, Isa::scalar, 3);
    const Batch batch = random_batch(program.inputs(), 6, 5);
    program.compile(sgd(), 8);
    const double lr = 1e-2;
    program.step(batch, {lr}, 1, nullptr);
    for (size_t t = 0; t < fresh.tensors().size(); ++t) {
      const std::vector<float> before = values(fresh, t), after = values(program, t);
      for (size_t i = 0; i < before.size(); ++i) {
        const float gradient = (before[i] - after[i]) / static_cast<float>(lr), h = 1e-2f;
        double loss[2];
        for (int side = 0; side < 2; ++side) {
          const float moved = before[i] + (side ? h : -h);
          std::vector<float> predictions(6);
          fresh.write(t, static_cast<int64_t>(i), 1, &moved);
          loss[side] = fresh.evaluate(batch, predictions.data(), nullptr);
        }
        fresh.write(t, static_cast<int64_t>(i), 1, &before[i]);
        const double numeric = (loss[1] - loss[0]) / (2 * h);
        expect(std::abs(numeric - gradient) < 2e-3 * (1 + std::abs(numeric)), "%s[%zu]: %g by differences, %g by backward",
               fresh.tensors()[t]->spec.name.c_str(), i, numeric, static_cast<double>(gradient));
      }
    }
  }
}

// Where the tensors of a node are in the plan: output or gradient of input i.
struct Places {
  const Graph graph{tangled_graph(), Isa::scalar};
  const Plan plan{graph, Mode::train, 8};
  const NodeSlots& slots(const std::string& name) const {
    size_t n = 0;
    while (graph.nodes[n].name != name) ++n;
    return plan.nodes[n];
  }
  // `slot` is columns of `whole` from this one on.
  void expect_part(int slot, int whole, size_t column) const {
    const Plan::Place a = plan.place(slot), b = plan.place(whole);
    expect(a.stride == b.stride && a.offset == b.offset + 4 * column, "stride %lld at %zu, expected stride %lld at %zu",
           static_cast<long long>(a.stride), a.offset, static_cast<long long>(b.stride), b.offset + 4 * column);
    expect(plan.slots[slot].first >= plan.slots[whole].first && plan.slots[slot].last <= plan.slots[whole].last, "outlives the whole");
  }
};

TEST(plan_puts_values_where_they_are_concatenated) {
  const Places p;
  const int c1 = p.slots("c1").out[0], c2 = p.slots("c2").out[0], c3 = p.slots("c3").out[0];
  p.expect_part(p.slots("e").out[0], c2, 0);
  p.expect_part(c1, c2, 10);
  p.expect_part(p.slots("a").out[0], c2, 10);  // the first of its two places
  p.expect_part(p.slots("b").out[0], c1, 4);
  p.expect_part(p.slots("s").out[0], c2, 2);  // so that c3 copies it
  p.expect_part(p.slots("t").out[0], c3, 9);
  expect(p.plan.place(c2).stride == 21 && p.plan.place(c3).stride == 16, "the wholes are not whole");
}

TEST(plan_puts_gradients_where_they_are_split) {
  const Places p;
  const auto din = [&](const char* name, size_t i) { return p.slots(name).din[i]; };
  const auto extra = [&](const char* name, size_t i) { return p.slots(name).din_extra[i]; };
  const int dc2 = p.slots("c2").dout[0], dc3 = p.slots("c3").dout[0];
  // b: c3 is its last use, so its gradient starts there; that of c1 is added to it.
  p.expect_part(din("c3", 0), dc3, 0);
  p.expect_part(din("c3", 2), dc3, 13);
  expect(extra("c3", 2) < 0 && din("c1", 1) == din("c3", 2) && extra("c1", 1) >= 0, "the gradient of b");
  p.expect_part(din("c2", 0), dc2, 0);
  p.expect_part(din("c2", 1), dc2, 10);
  // h twice in one add: the first is the add's own gradient, the second is added.
  p.expect_part(din("t", 0), p.slots("t").dout[0], 0);
  expect(din("t", 2) == din("t", 0) && extra("t", 2) >= 0, "the gradient of h");
}

TEST(program_is_bitwise_the_same_whether_values_share_memory_or_are_copied) {
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa)
    for (const int threads : {1, 3}) {
      Pool pool(threads);
      pool.serial_below_ns = 0;
      Program shared(tangled_graph(), static_cast<Isa>(isa), 11), copied(with_copies(tangled_graph()), static_cast<Isa>(isa), 11);
      for (Program* program : {&shared, &copied}) {
        program->compile(all(rule("adagrad")), 200);
        for (int64_t step = 1; step <= 5; ++step)
          program->step(random_batch(program->inputs(), step == 3 ? 200 : 60 + step, static_cast<uint64_t>(step)), {0.05}, step, &pool);
      }
      for (size_t i = 0; i < shared.tensors().size(); ++i)
        expect(values(shared, i) == values(copied, i), "%s: %s differs", isa_name(static_cast<Isa>(isa)), shared.tensors()[i]->spec.name.c_str());
      const Batch batch = random_batch(shared.inputs(), 33, 9);
      std::vector<float> p(33), q(33);
      const double loss = shared.evaluate(batch, p.data(), &pool);
      expect(loss == copied.evaluate(batch, q.data(), &pool) && p == q, "evaluation differs");
      shared.predict(batch, q.data(), &pool);
      expect(p == q, "prediction differs from evaluation");
    }
}

TEST(program_is_bitwise_the_same_with_any_number_of_threads) {
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) {
    std::vector<std::vector<float>> reference;
    for (const int threads : {1, 2, 5}) {
      Program program(dlrm_graph(), static_cast<Isa>(isa), 11);
      program.compile(all(rule("rowwise_adagrad")), 300);
      Pool pool(threads);
      pool.serial_below_ns = 0;
      for (int64_t step = 1; step <= 5; ++step)
        program.step(random_batch(program.inputs(), step == 3 ? 300 : 77 + step, static_cast<uint64_t>(step)), {0.05}, step, &pool);
      std::vector<std::vector<float>> all;
      for (size_t i = 0; i < program.tensors().size(); ++i) all.push_back(values(program, i));
      if (reference.empty()) reference = all;
      for (size_t i = 0; i < all.size(); ++i)
        expect(!memcmp(all[i].data(), reference[i].data(), all[i].size() * sizeof(float)), "%s, %d threads: %s differs",
               isa_name(static_cast<Isa>(isa)), threads, program.tensors()[i]->spec.name.c_str());
    }
  }
}

// Clipping needs all gradients first; without it, layers are updated tile by tile on the way, and packed again there.
TEST(program_is_bitwise_the_same_whether_updated_on_the_way_or_behind_the_backward_pass) {
  GraphSpec spec = dlrm_graph();
  spec.nodes[3].attrs.set("layers", std::vector<double>{150, 300, 1});
  spec.nodes[1].attrs.set("bias", false);
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa)
    for (const char* name : {"sgd", "adagrad", "adam"}) {
      Pool pool(3);
      pool.serial_below_ns = 0;
      Program on_the_way(spec, static_cast<Isa>(isa), 11), behind(spec, static_cast<Isa>(isa), 11);
      on_the_way.compile(all(rule(name)), 70);
      behind.compile(all(rule(name)), 70, 1e30);
      for (int64_t step = 1; step <= 4; ++step) {
        const Batch batch = random_batch(spec.inputs, 17 * step, static_cast<uint64_t>(step));
        std::vector<float> p(batch.size), q(batch.size);
        const double loss = on_the_way.step(batch, {0.05}, step, &pool);
        expect(loss == behind.step(batch, {0.05}, step, &pool), "%s: loss %g of step %d differs", name, loss, static_cast<int>(step));
        if (step == 2) {
          on_the_way.predict(batch, p.data(), &pool);
          behind.predict(batch, q.data(), &pool);
        }
        expect(p == q, "%s: predictions differ", name);
      }
      for (size_t i = 0; i < behind.tensors().size(); ++i)
        expect(values(on_the_way, i) == values(behind, i), "%s, %s: %s differs", isa_name(static_cast<Isa>(isa)), name,
               behind.tensors()[i]->spec.name.c_str());
    }
}

TEST(program_says_what_it_is_not_ready_for) {
  Program program(dlrm_graph(), Isa::scalar, 1);
  const Batch batch = random_batch(program.inputs(), 9, 1);
  expect_error(Code::state, "not compiled", [&] { program.step(batch, {0.1}, 1, nullptr); });
  expect_error(Code::argument, "maxBatch", [&] { program.compile(sgd(), 0); });
  expect_error(Code::argument, "no such option", [&] { program.compile(all({{"rule", std::string("sgd")}, {"lr", 1.0}}), 4); });
  expect_error(Code::state, "not compiled", [&] { program.step(batch, {0.1}, 1, nullptr); });
  program.compile(sgd(), 8);
  expect_error(Code::shape, "at most 8", [&] { program.step(batch, {0.1}, 1, nullptr); });
  expect_error(Code::shape, "empty", [&] { program.step(random_batch(program.inputs(), 0, 1), {0.1}, 1, nullptr); });
  float one = 0;
  expect_error(Code::shape, "elements", [&] { program.read(0, program.tensors()[0]->size(), 1, &one); });
  expect_error(Code::shape, "elements", [&] { program.write(0, -1, 1, &one); });
}

// Each group moves as if the whole graph had its rule and rate, in the first step.
TEST(program_gives_every_parameter_group_its_own_rule) {
  GraphSpec spec = dlrm_graph();
  spec.nodes[1].group = "wide";
  const Batch batch = random_batch(spec.inputs, 20, 3);
  const auto after = [&](const std::vector<GroupRule>& rules, const std::vector<double>& rates) {
    auto program = std::make_unique<Program>(spec, Isa::scalar, 5);
    program->compile(rules, 20);
    program->step(batch, rates, 1, nullptr);
    return program;
  };
  const auto mixed = after({{"wide", rule("adagrad")}, {"*", rule("sgd")}, {"tables", rule("rowwise_adagrad")}}, {0.5, 0.25, 0.125});
  const std::map<std::string, std::unique_ptr<Program>> alone = [&] {
    std::map<std::string, std::unique_ptr<Program>> programs;
    programs["wide"] = after(all(rule("adagrad")), {0.5});
    programs["mlp"] = after(all(rule("sgd")), {0.25});
    programs["tables"] = after(all(rule("rowwise_adagrad")), {0.125});
    return programs;
  }();
  std::map<std::string, int> seen;
  for (size_t i = 0; i < mixed->tensors().size() && !mixed->tensors()[i]->is_state; ++i) {
    const Tensor& tensor = *mixed->tensors()[i];
    ++seen[tensor.group];
    expect(values(*mixed, i) == values(*alone.at(tensor.group), i), "%s differs", tensor.spec.name.c_str());
  }
  expect(seen["wide"] == 4 && seen["tables"] == 3 && seen["mlp"] == 4, "%d wide, %d tables, %d mlp", seen["wide"], seen["tables"], seen["mlp"]);
}

TEST(program_says_which_parameter_groups_there_are) {
  Program program(dlrm_graph(), Isa::scalar, 1);
  const auto refused = [&](const char* text, const std::vector<GroupRule>& rules) {
    expect_error(Code::argument, text, [&] { program.compile(rules, 4); });
  };
  refused("no parameter group \"wide\", it has tables, mlp", {{"*", rule("sgd")}, {"wide", rule("sgd")}});
  refused("\"mlp\" has none", {{"tables", rule("sgd")}});
  refused("\"tables\" is named twice", {{"tables", rule("sgd")}, {"*", rule("sgd")}, {"tables", rule("adam")}});
  program.compile({{"tables", rule("sgd")}, {"mlp", rule("adam")}}, 4);
  const Batch batch = random_batch(program.inputs(), 4, 1);
  expect_error(Code::shape, "expected 2 learning rates, received 1", [&] { program.step(batch, {0.1}, 1, nullptr); });
}

TEST(batch_refuses_what_would_leave_the_buffers) {
  const InputSpec inputs = {2, {10, 3}, {"C1", "C2"}};
  const auto broken = [&](const char* text, Code code, const std::function<void(Batch&)>& change) {
    Batch batch = random_batch(inputs, 20, 9);
    change(batch);
    expect_error(code, text, [&] { batch.check(inputs, true); });
  };
  broken("received index 10", Code::index, [](Batch& b) { b.tables[0].indices[3] = 10; });
  broken("received index -1", Code::index, [](Batch& b) { b.tables[1].indices[0] = -1; });
  broken("must not decrease", Code::offsets, [](Batch& b) { b.tables[0].offsets[2] = 1 << 30; });
  broken("first must be 0", Code::offsets, [](Batch& b) { b.tables[0].offsets[0] = 1; });
  broken("last must be", Code::offsets, [](Batch& b) { b.tables[0].indices.push_back(0); });
  broken("B + 1", Code::shape, [](Batch& b) { b.tables[0].offsets.pop_back(); });
  broken("dense", Code::shape, [](Batch& b) { b.dense.pop_back(); });
  broken("labels", Code::shape, [](Batch& b) { b.labels.pop_back(); });
  broken("labels", Code::shape, [](Batch& b) { b.labels.clear(); });
  broken("tables", Code::shape, [](Batch& b) { b.tables.pop_back(); });
  broken("labels", Code::value, [](Batch& b) { b.labels[7] = NAN; });
  broken("dense", Code::value, [](Batch& b) { b.dense[1] = INFINITY; });
  broken("weights", Code::shape, [](Batch& b) { b.tables[0].weighted = true; });
}

}  // namespace dlrm::test
