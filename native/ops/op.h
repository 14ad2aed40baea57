// What an op is. The graph, the bindings, the test harness and the benchmark know ops only through this header and the
// registry; an op is one folder and one registry line.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/device.h"
#include "base/isa.h"
#include "base/pool.h"
#include "base/view.h"

namespace dlrm {

struct Init {
  enum Kind { zeros, ones, uniform, normal } kind = zeros;
  double a = 0, b = 0;  // uniform in [a, b); normal with mean a, deviation b
};

// Named options as they come from JavaScript. make() reads what it knows, then calls done().
class Attrs {
 public:
  using Value = std::variant<double, bool, std::string, std::vector<double>, std::vector<std::string>>;
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, Value>> items) : items_(items) {}
  void set(const std::string& name, Value value) { items_[name] = std::move(value); }

  // The value, or the fallback if absent. Throw ERR_ARGUMENT "[op] name: expected ..." for another type.
  double number(const char* op, const char* name, double fallback) const;
  bool flag(const char* op, const char* name, bool fallback) const;
  std::string text(const char* op, const char* name, const std::string& fallback) const;
  std::vector<double> numbers(const char* op, const char* name) const;   // empty if absent
  std::vector<int64_t> sizes(const char* op, const char* name) const;    // integers >= 0; empty if absent
  std::vector<std::string> texts(const char* op, const char* name) const;
  // `name` ("init", say: uniform in +-init_scale, normal of deviation init_scale, constant init_scale) or, if absent, the
  // fallback.
  Init init(const char* op, const Init& fallback, const char* name = "init") const;
  // Throws ERR_ARGUMENT if an item was never asked for.
  void done(const char* op) const;

 private:
  template <class T>
  const T* find(const char* op, const char* name, const char* expected) const;
  std::map<std::string, Value> items_;
  mutable std::map<std::string, bool> asked_;
};

// The sparse input of T tables at run time (binding/ has checked it). Lookup i of table t belongs to example b when
// offsets[t][b] <= i < offsets[t][b+1].
struct Bags {
  int64_t tables = 0;
  const int32_t* const* offsets = nullptr;  // [T] -> [B+1], never decreasing, first 0, last L
  const int32_t* const* indices = nullptr;  // [T] -> [L], in [0, R)
  const float* const* weights = nullptr;    // null, or [T] -> [L] or null: per-sample weights
  const int64_t* counts = nullptr;          // [T]: L. The lists are host memory, what they lead to is the device's
  int64_t lookups(int64_t t) const { return counts[t]; }
  int64_t total_lookups() const {
    int64_t total = 0;
    for (int64_t t = 0; t < tables; ++t) total += counts[t];
    return total;
  }
};

// What flows along an edge of the graph: a matrix, or the bags of T tables.
struct Value {
  View view;
  const Bags* bags = nullptr;
};

constexpr int64_t kPerExample = -1;  // rows = B, known at each call
constexpr int64_t kPerLookup = -2;   // rows = lookups of the op's bags, table after table

struct ValueSpec {
  int64_t rows = kPerExample;
  int64_t cols = 0;    // of a matrix
  int64_t tables = 0;  // > 0: bags, not a matrix
  DType dtype = DType::f32;
};

struct ParamSpec {
  std::string name;           // full name as in state(), e.g. "bot_l.0.weight"
  std::vector<int64_t> dims;  // [rows, cols] or [n] (a View of 1 x n)
  Init init;
  bool sparse = false;  // an embedding table: no dense gradient, updated by embedding_update
  bool buffer = false;  // not trained: forward itself writes it when Run::training (running statistics); saved with the model
  DType dtype = DType::f32;  // of a table: bf16, f16, int8 or int4 too (base/table_rows.h)
  bool quantisable = false;  // a table that its op also reads as int8 or int4
};

// Tables updated by one embedding_update call after the node's backward, from the gradient of the node's first output.
struct SparseUpdate {
  // columns: every column has its own part of the gradient, side by side; shared: all have the whole of it, and the width
  // of their tables is its; lookups: Run::dlookup holds a row of it for every lookup.
  enum Gradient { columns_side_by_side, shared, per_lookup };

  std::vector<int> params;      // indices into Op::params, one per table
  std::vector<int64_t> widths;  // E of each table
  std::vector<int64_t> columns; // bag of the op's input 0 that each column reads
  std::vector<int64_t> tables;  // table of each column, an index into params; columns of one table share it
  std::vector<std::string> modes;  // sum, mean or max of each column: how a bag's gradient reaches its rows
  Gradient gradient = columns_side_by_side;
  // Indices into Op::params, one per table, or none: one number per row that scales every lookup of it. They are still
  // those of the forward pass when this update runs (updates run in the order of the list).
  std::vector<int> scale_params;

  bool reads_positions() const;  // some mode is max: Op::saved[0] says which lookups won
};

// Columns that an input and an output have in common, all of one of the two: forward copies them, backward copies (or at
// least passes on unchanged) their gradient. The planner lets both be the same memory where it can; an op that declares
// this compares pointers and then has nothing to copy.
struct Alias {
  int input = 0, output = 0;
  int64_t input_column = 0, output_column = 0;
  bool values = true;     // out = in in these columns
  bool gradients = true;  // din = dout in these columns, and din has no others
};

struct Cost {
  double flops = 0, bytes = 0;  // bytes: least traffic to and from memory
};

// Applies the optimizer to part of a dense parameter, to be called as soon as that part's gradient is complete and while it
// still lies in the caches. Parts of one step do not overlap; any thread may hand one in.
class PartUpdate {
 public:
  virtual ~PartUpdate() = default;
  // param: index into Op::params; gradient: of these rows and columns of it alone
  virtual void apply(size_t param, Range rows, Range cols, const View& gradient) const = 0;
};

// One call of one op. Views point into the arena or the caller's buffers; absent ones are null.
struct Run {
  int64_t batch = 0;
  Pool* pool = nullptr;  // null: serial
  const Value* in = nullptr;
  const View* out = nullptr;
  const View* params = nullptr;
  const View* saved = nullptr;
  float* packed = nullptr;        // what prepare() made of the parameters
  const View* dout = nullptr;     // gradients of the outputs; null data: none flows
  const View* din = nullptr;      // gradients of the inputs, to be written; null data: not wanted
  const View* dparams = nullptr;  // gradients of the dense parameters, to be written
  // [sum of L, Op::dlookup_cols], bag after bag of input 0, to be written: gradients of the per-sample weights, or what
  // a SparseUpdate reads per lookup. Bags that the op does not read stay as they are.
  float* dlookup = nullptr;
  void* scratch = nullptr;        // scratch_bytes(run)
  // Backward of an op that updates_parts: not null: hand in the gradients of all dense parameters, dparams may stay as they are.
  const PartUpdate* update = nullptr;
  bool training = false;          // a step: backward follows (dropout drops, batch_norm takes the statistics of the batch)
  uint64_t key = 0;               // of the counter-based generator; with `step` and the op's name: this call's random numbers
  int64_t step = 0;               // number of this step, from 1
  double lr = 0;                  // update ops: learning rate of this step
  float scale = 1;                // update ops: factor of every gradient
  double* squares = nullptr;      // update ops: not null: add the sum of squares of the gradients here, change nothing
  bool again = false;             // update ops: scratch is as the call with `squares` has left it
  // On a GPU, where all views, pointers and `squares` are device memory that no host code reads:
  CudaStream stream = nullptr;      // takes the work; nothing is waited for
  const void* constants = nullptr;  // what write_constants wrote, copied: lr, step and key are read from there alone
  const float* scale_at = nullptr;  // update ops: instead of `scale`, unless null
};

class Op {
 public:
  virtual ~Op() = default;

  std::vector<ValueSpec> outputs;
  std::vector<ValueSpec> saved;  // contiguous, laid out as the op likes; written by forward, read by backward and by sparse updates
  std::vector<ParamSpec> params;
  std::vector<SparseUpdate> sparse_updates;
  std::vector<int64_t> bag_rows;  // indices of bag t of input 0 must be below bag_rows[t]; 0: the op does not read it
  int64_t dlookup_cols = 1;       // of Run::dlookup
  std::vector<Alias> aliases;
  int64_t packed_floats = 0;
  // Does backward read the values of these? (Gradients aside.) The memory plan keeps alive only what is read.
  bool backward_reads_inputs = true, backward_reads_outputs = true;
  bool identity_in_prediction = false;  // out 0 = input 0 unless Run::training: a plan without training leaves the node out
  // With Run::update, backward hands in the gradients of all dense parameters part by part, and leaves `packed` as prepare
  // would make it of the updated ones.
  bool updates_parts = false;
  bool differentiable = true;  // false: no backward (update ops, metrics)

  // params -> packed; called after parameters have changed. For Run::training what it makes also serves predictions, else it
  // need not serve a training step.
  virtual void prepare(const Run&) const {}
  virtual void forward(const Run& run) const = 0;
  virtual void backward(const Run& run) const;
  // Bytes of Run::scratch either pass needs for this batch and these bags.
  virtual size_t scratch_bytes(const Run&) const { return 0; }
  virtual bool wants_dlookup(const Run&) const { return false; }
  // Would forward cut one of these bags of `batch` examples into parts? The order of its sum then depends on the other bags;
  // else what forward makes of an example without Run::training depends on nothing but the example, to the bit.
  virtual bool cuts_bags(const Bags&, int64_t /*batch*/) const { return false; }
  // On a GPU: what depends on Run::lr, step and key. The host writes it before every step and copies it to Run::constants, so
  // that the recorded launches of a step (a CUDA graph) serve all of them.
  size_t constants_bytes = 0;
  virtual void write_constants(const Run&, void*) const {}
  // Update ops that can: what forward does to dense parameter i, in these rows and columns alone, by this gradient of them
  // (dparams tells the parameter's shape). Threads may call it at once for parts that do not overlap.
  virtual void update_part(const Run&, size_t, Range, Range, const View&) const {}
  virtual Cost cost(const Run& run, bool backward) const = 0;
};

struct MakeArgs {
  const char* op;           // for messages
  std::string name;         // node name, prefix of its parameters
  Attrs attrs;
  std::vector<ValueSpec> inputs;
  Isa isa = Isa::scalar;
  Device device = Device::cpu;

  // Throw ERR_SHAPE naming both sides unless there are `count` inputs / input i is a matrix (of these columns) / bags.
  void expect_inputs(size_t count) const;
  const ValueSpec& matrix(size_t i, int64_t cols = -1) const;
  const ValueSpec& bags(size_t i) const;
};

// The op's table of kernels on args.device, an XCuda of its header; null on the CPU. Throws what cuda_plugin() throws, and
// ERR_ARGUMENT "[op] device: ..." if it has none.
const void* find_cuda_kernels(const char* op, Device device);
template <class Kernels>
const Kernels* cuda_kernels(const MakeArgs& args) {
  return static_cast<const Kernels*>(find_cuda_kernels(args.op, args.device));
}

// What embedding_update needs to carry out `update` of this op: its options, beside the optimizer's, and its inputs.
MakeArgs sparse_update_args(const Op& op, const SparseUpdate& update, const ValueSpec& bags, Attrs rule);

struct OpDef {
  const char* name;
  std::unique_ptr<Op> (*make)(const MakeArgs&);  // infers shapes; throws Error
};

const std::vector<OpDef>& registry();
// Throws ERR_ARGUMENT for an unknown name.
std::unique_ptr<Op> make_op(const std::string& op, MakeArgs args);

}  // namespace dlrm
