// Readers of JavaScript arguments. What they return is checked and copied or valid only until the call returns.
#pragma once
#include <napi.h>

#include <string>

#include "exec/batch.h"
#include "exec/graph.h"

namespace dlrm::binding {

template <class T>
struct Span {
  T* data = nullptr;
  size_t size = 0;
};

// The elements of a typed array of exactly this type; ERR_ARGUMENT for anything else, ERR_BUFFER if detached.
Span<float> read_floats(Napi::Value value, const std::string& what);

// The same of the type that has numbers of a view: Int32Array, Uint16Array of bf16 and f16, Uint8Array of int8 and int4.
Span<void> read_in_place(Napi::Value value, DType dtype, const std::string& what);

// Copies an Int32Array or BigInt64Array; int64 values outside int32 give ERR_INDEX.
void copy_ints(Napi::Value value, const char* what, size_t table, std::vector<int32_t>& to);

double read_number(Napi::Value value, const char* what);
std::vector<double> read_numbers(Napi::Value value, const char* what);
int64_t read_size(Napi::Value value, const char* what);  // an integer >= 0

// { name: number | boolean | string | number[] | string[] }
Attrs read_attrs(Napi::Value value);

// [{ group, attrs }]
std::vector<GroupRule> read_rules(Napi::Value value);

// { dense, rows, tableNames, derived: [{ kind, from, rows, boundaries, divisor }] | undefined,
//   nodes: [{ op, name, inputs, outputs, attrs }], loss, prediction }
GraphSpec read_graph(Napi::Value value);

// [offsets, indices, weights | undefined, offsets, ...] -> batch.tables. Closes offsets of length B (batch.size) with L.
void read_tables(Napi::Array flat, Batch& batch);

// The same, without weights, in one Int32Array: T, then for each table the numbers of its offsets and indices, offsets, indices.
void read_packed_tables(Napi::Value packed, Batch& batch);

// size, dense, flat or packed tables, labels, weights of the examples: lib/models/model.ts flattens the Batch because
// reading properties is much cheaper in JavaScript.
void read_batch(const Napi::CallbackInfo& info, size_t first, Batch& batch);

}  // namespace dlrm::binding
