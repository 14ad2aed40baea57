// How a program runs on a CUDA device: the launches of a step are those of the CPU's calls, put into one stream, and soon a
// CUDA graph; what changes from step to step goes there with the batch.
#include <algorithm>

#include "base/error.h"
#include "exec/execution.h"
#include "exec/on_device.h"

namespace dlrm {
namespace {

constexpr size_t kConstantsAlign = 16;
size_t padded(size_t bytes) { return (bytes + kConstantsAlign - 1) / kConstantsAlign * kConstantsAlign; }

uint64_t bits(const void* p) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(p)); }

}  // namespace

Program::OnDevice::OnDevice() {
  const float number = 1;
  const Stream stream(Device::cuda);
  stream.copy_and_wait(one.data(), &number, sizeof number);
}

// Of compile(): what a step must not have to make. Throws ERR_ARGUMENT if a gradient of several parts cannot be added up there.
void Program::make_ready(const Execution& e) {
  size_t at = 0;
  on_device_->constants_at.assign(graph_.nodes.size(), 0);
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    on_device_->constants_at[n] = at;
    at += padded(graph_.nodes[n].op->constants_bytes);
  }
  for (Update& update : updates_) {
    update.constants = at;
    at += padded(update.op->constants_bytes);
    update.scratch = Buffer(MemoryKind::device);
  }
  on_device_->constants.assign(at, 0);
  for (const NodeSlots& slots : e.plan.nodes)
    for (const int slot : slots.din_extra)
      if (slot >= 0) adder(e.plan.slots[slot].spec.cols);
}

const Op& Program::adder(int64_t cols) {
  auto& op = on_device_->adders[cols];
  if (!op) {
    MakeArgs args;
    args.name = "gradients";
    args.inputs = {{kPerExample, cols}, {kPerExample, cols}};
    args.isa = isa_;
    args.device = Device::cuda;
    op = make_op("add", args);
  }
  return *op;
}

void Program::add_into(const View& to, const View& from, Pool* pool) {
  if (!on_device_)
    return for_chunks(pool, to.rows, static_cast<double>(to.rows * to.cols), [&](int64_t r) {
      for (int64_t c = 0; c < to.cols; ++c) to.row(r)[c] += from.row(r)[c];
    });
  const Value in[] = {{to, nullptr}, {from, nullptr}};
  Run run;
  run.batch = to.rows;
  run.stream = stream_.handle();
  run.in = in;
  run.out = &to;
  adder(to.cols).forward(run);
}

// What the ops need to know of this step; nothing for a forward pass.
const std::vector<char>& Program::constants(Execution& e, const std::vector<double>* rates) {
  static const std::vector<char> none;
  if (!rates) return none;
  std::vector<char>& all = on_device_->constants;
  Run run;
  run.step = e.step;
  run.key = seed_;
  run.training = true;
  for (size_t n = 0; n < graph_.nodes.size(); ++n)
    if (graph_.nodes[n].op->constants_bytes) graph_.nodes[n].op->write_constants(run, all.data() + on_device_->constants_at[n]);
  for (const Update& update : updates_) {
    run.lr = (*rates)[update.rule];
    if (update.op->constants_bytes) update.op->write_constants(run, all.data() + update.constants);
  }
  return all;
}

// Memory that grows moves, which recorded launches would not notice, and earlier ones may still use it: so everything gets its
// size before the first, and some more, since bags of several indices differ from batch to batch.
void Program::grow(Buffer& memory, size_t bytes) const {
  if (memory.size() >= bytes) return;
  stream_.wait();
  memory.reserve(bytes + bytes / 4);
}

void Program::reserve(Execution& e, bool training) {
  size_t most = 0;
  for (size_t n = 0; n < e.nodes.size(); ++n) {
    if (!e.plan.nodes[n].runs) continue;
    Run run = run_of(e, n, nullptr);
    if (training) run.dlookup = dlookup_for(e, n, run);
    most = std::max(most, graph_.nodes[n].op->scratch_bytes(run));
  }
  for (Update& update : updates_) {
    if (!training) break;
    Run run = update_run(e, update, nullptr);
    if (clip_norm_ > 0) {
      run.squares = on_device_->squares.as<double>();
      grow(update.scratch, update.op->scratch_bytes(run));
    } else {
      most = std::max(most, update.op->scratch_bytes(run));
    }
  }
  grow(scratch_, most);
}

// All that the launches of work() depend on and that may differ from one call to the next.
std::vector<uint64_t> Program::work_key(const Execution& e) const {
  std::vector<uint64_t> key = {static_cast<uint64_t>(e.batch), bits(e.constants), bits(scratch_.data()), packed_for_training_};
  key.insert(key.end(), packed_is_fresh_.begin(), packed_is_fresh_.end());
  for (const int input : {Graph::kDense, Graph::kLabels, Graph::kWeights}) key.push_back(bits(e.values[input].view.data));
  const Bags& bags = *e.values[Graph::kTables].bags;
  for (int64_t t = 0; t < bags.tables; ++t) {
    key.insert(key.end(), {bits(bags.offsets[t]), bits(bags.indices[t]), static_cast<uint64_t>(bags.counts[t])});
    if (bags.weights) key.push_back(bits(bags.weights[t]));
  }
  for (const Buffer& dlookup : e.dlookup) key.push_back(bits(dlookup.data()));
  for (const Update& update : updates_) key.push_back(bits(update.scratch.data()));
  return key;
}

void Program::work_on_device(Execution& e, const std::vector<double>* rates, Pool* pool) {
  // Also after an error: launches before it may still read the batch.
  struct End {
    ~End() {
      try {
        uploads.end(stream);
      } catch (const Error&) {
      }
    }
    Uploads& uploads;
    const Stream& stream;
  } const end{on_device_->uploads, stream_};
  reserve(e, rates != nullptr);
  const std::vector<char> packed = packed_is_fresh_;
  const bool packed_for_training = packed_for_training_;
  const bool ran = e.graphs.run(work_key(e), stream_, [&] {
    packed_is_fresh_ = packed;
    packed_for_training_ = packed_for_training;
    try {
      work(e, rates, pool);
      stream_.check_launches();
    } catch (...) {
      forget_packed();
      throw;
    }
  });
  if (ran) return;
  // What work() would have noted.
  std::fill(packed_is_fresh_.begin(), packed_is_fresh_.end(), rates == nullptr);
  packed_for_training_ = rates != nullptr;
}

int64_t Program::recorded() const {
  std::lock_guard<std::mutex> lock(mutex_);
  int64_t graphs = 0;
  for (const auto& execution : executions_) graphs += execution ? execution->graphs.graphs() : 0;
  return graphs;
}

}  // namespace dlrm
