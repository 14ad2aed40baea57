// A graph with its parameters: predict, evaluate, step. One call at a time (a mutex); results are bitwise the same with
// any number of threads.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/memory.h"
#include "exec/graph.h"
#include "exec/plan.h"
#include "exec/results.h"
#include "exec/stream.h"

namespace dlrm {

struct Tensor {
  ParamSpec spec;
  Buffer memory;
  View view;
  std::string group;      // of a trained parameter, see NodeSpec::group
  bool is_state = false;  // an optimizer's, not the model's
  int64_t size() const { return view.rows * view.cols; }
  int64_t bytes() const { return view.rows * view.stride * dtype_bytes(view.dtype); }
};

struct PruneSet {
  std::vector<int64_t> tensors;
  double fraction;
};

class Program {
 public:
  // Parameters are initialised as their specs say from the counter-based generator with key `seed`, to the same bits on
  // every device. Throws ERR_ARGUMENT for an op that has no kernels for the device, and what base/device.h throws without one.
  Program(const GraphSpec& spec, Isa isa, uint64_t seed, Device device = Device::cpu);

  const InputSpec& inputs() const { return graph_.inputs; }
  Isa isa() const { return isa_; }
  Device device() const { return stream_.device(); }

  // Parameters in graph order, then the optimizer's state. Indices stay valid until compile().
  std::vector<const Tensor*> tensors() const;
  // fn(tensor) for each of them, while nobody changes them: quantise() gives tables another view.
  void each_tensor(const std::function<void(const Tensor&)>& fn) const;
  // Copy `count` numbers, as floats, from or to tensor `index`, starting at element `start`. Throw ERR_SHAPE outside it, and
  // where a quantised table is not written in whole rows.
  void read(size_t index, int64_t start, int64_t count, float* to) const;
  void write(size_t index, int64_t start, int64_t count, const float* from);

  // Copy bytes of tensor `index` as they lie in memory, from byte `start` on. Throw ERR_SHAPE outside it.
  void read_bytes(size_t index, int64_t start, int64_t count, uint8_t* to) const;
  void write_bytes(size_t index, int64_t start, int64_t count, const uint8_t* from);

  // Turns the tables that can be (ParamSpec::quantisable) into int8 or int4, one after the other; there is no way back, and
  // compile() refuses from then on. Throws ERR_ARGUMENT for another type, ERR_STATE if there are none, or they are quantised.
  void quantise(DType dtype, Pool* pool);

  // Sets that share of these tensors' numbers to zero, those of least magnitude of all of them together (exec/prune.h).
  // Throws ERR_ARGUMENT for a tensor that is none of the parameters or a fraction outside [0, 1]; then nothing has changed.
  void prune(const std::vector<PruneSet>& sets, Pool* pool);
  std::vector<int64_t> zeros() const;  // of each parameter

  // Makes step() possible: optimizer state (new, zeroed) and the arena for up to max_batch examples.
  // Throws ERR_ARGUMENT for a group that the graph lacks, one named twice, and one left without a rule.
  // clip_norm: 0, or the most that the norm of all gradients together may be (torch.nn.utils.clip_grad_norm_).
  void compile(const std::vector<GroupRule>& rules, int64_t max_batch, double clip_norm = 0);
  int64_t max_batch() const { return max_batch_; }  // 0 before compile

  // One training step, the `number`th (from 1); returns the mean loss. The batch must have been checked and derived.
  // rates: the learning rate of each of compile()'s rules.
  double step(const Batch& batch, const std::vector<double>& rates, int64_t number, Pool* pool);
  // The same, but on a device it returns as soon as the step is in its stream: the batch may change then, and the next step
  // may be started. Other calls see what all steps started before have done.
  PendingLoss start_step(const Batch& batch, const std::vector<double>& rates, int64_t number, Pool* pool);
  // Probabilities [B] to `out`; with labels, evaluate also returns the mean loss.
  void predict(const Batch& batch, float* out, Pool* pool);
  double evaluate(const Batch& batch, float* out, Pool* pool);
  int64_t recorded() const;  // CUDA graphs of steps and predictions, so far

 private:
  struct NodeViews;
  struct Execution;
  struct BlockSlot;
  // One update op with the parameters it changes.
  struct Update {
    std::unique_ptr<Op> op;
    size_t rule = 0;               // of compile()'s rules
    int node = -1;                 // embedding_update: the node whose tables it updates; -1: dense_update
    const SparseUpdate* sparse = nullptr;
    std::vector<std::pair<size_t, size_t>> gradients;  // dense_update: node and place of each parameter
    std::vector<View> params;      // parameters, then states
    std::vector<Value> in;         // of the step that runs
    std::vector<View> dparams;
    Buffer scratch;                // its own when gradients are clipped: it is called twice then
    size_t constants = 0;          // where its constants are in those of a step (Run::constants)
  };

  // What updates a dense parameter: a dense_update, and which of its parameters it is there.
  struct Owner {
    size_t update = 0, place = 0;
  };
  class NodeParts;

  void add_param(const ParamSpec& spec, bool is_state, std::vector<std::unique_ptr<Tensor>>& to, Pool* pool);
  void add_update(Update update, const MakeArgs& args, const char* op, const std::vector<int>& params);
  void add_updates(const std::vector<GroupRule>& rules);
  void add_sparse_update(const std::vector<GroupRule>& rules, size_t node, const SparseUpdate& sparse);
  void add_dense_update(const std::vector<GroupRule>& rules, size_t rule);
  std::vector<std::string> groups() const;
  const Tensor& tensor(size_t index) const;
  Run update_run(const Execution& e, Update& update, Pool* pool);
  void add_squares(const Execution& e, double* squares, Pool* pool);
  float clip_scale(const Execution& e, Pool* pool);
  const float* clip_scale_on_device(const Execution& e, Pool* pool);
  std::vector<std::string> names(const std::vector<int>& params) const;
  void prepare(Pool* pool, bool training);
  void forget_packed();
  void begin_parts(const Execution& e, const std::vector<double>& rates, Pool* pool);
  Execution& execution(Mode mode, int64_t batch);
  void bind(Execution& e, const Batch& batch, const std::vector<double>* rates, Pool* pool);
  void bind(Execution& e, const BatchViews& batch, int64_t size);
  void work(Execution& e, const std::vector<double>* rates, Pool* pool);
  void work_on_device(Execution& e, const std::vector<double>* rates, Pool* pool);
  const std::vector<char>& constants(Execution& e, const std::vector<double>* rates);
  void make_ready(const Execution& e);
  void reserve(Execution& e, bool training);
  void grow(Buffer& memory, size_t bytes) const;
  std::vector<uint64_t> work_key(const Execution& e) const;
  float* dlookup_for(Execution& e, size_t node, const Run& run);
  const Op& adder(int64_t cols);
  void add_into(const View& to, const View& from, Pool* pool);
  void forward(Execution& e, Pool* pool, Buffer& scratch);
  void backward(Execution& e, Pool* pool);
  void update(Execution& e, const std::vector<double>& rates, Pool* pool);
  static void* scratch_for(const Op& op, const Run& run, Buffer& scratch);
  Run run_of(Execution& e, size_t node, Pool* pool);
  void predict_block(BlockSlot& slot, const BatchViews& batch, Range rows, float* out);
  double forward_ns(Execution& e);
  bool predict_blocks(const Batch& batch, float* out, Pool* pool);
  double infer(Mode mode, const Batch& batch, float* out, Pool* pool);

  mutable std::mutex mutex_;
  Graph graph_;
  const Isa isa_;
  const uint64_t seed_;
  struct OnDevice;
  Stream stream_;
  std::unique_ptr<OnDevice> on_device_;  // null on the CPU
  std::vector<std::unique_ptr<Tensor>> params_, states_;
  std::vector<std::vector<View>> node_params_;  // per node
  std::vector<Buffer> packed_;                  // per node
  std::vector<char> packed_is_fresh_;           // per node
  bool packed_for_training_ = false;
  std::vector<Update> updates_;
  std::vector<std::vector<Owner>> owners_;  // per node, of each dense parameter
  std::vector<Run> part_runs_;              // per update: the call that its update_part gets in the step that runs
  std::vector<char> parts_done_;            // per node: have its dense parameters been updated by this step's backward?
  size_t rules_ = 0;  // as many as compile() took
  int64_t max_batch_ = 0;
  double clip_norm_ = 0;
  std::array<std::unique_ptr<Execution>, kModeCount> executions_;
  Buffer scratch_;  // of the calls that run one after the other
  std::vector<std::unique_ptr<BlockSlot>> block_slots_;  // one for each thread

 public:
  ~Program();
};

}  // namespace dlrm
