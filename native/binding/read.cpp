#include "binding/read.h"

#include <cmath>
#include <cstring>

#include "base/error.h"

namespace dlrm::binding {
namespace {

struct Array {
  napi_typedarray_type type;
  size_t length;
  void* data;
};

std::string describe(Napi::Value value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsNumber()) return "the number " + value.ToString().Utf8Value();
  if (value.IsString()) return "a string";
  if (!value.IsObject()) return "a primitive value";
  const Napi::Value constructor = value.As<Napi::Object>().Get("constructor");
  if (!constructor.IsFunction()) return "an object";
  return constructor.As<Napi::Object>().Get("name").ToString().Utf8Value();
}

Array read_typed_array(Napi::Value value, const std::string& what, const char* expected) {
  bool is_array = false;
  napi_is_typedarray(value.Env(), value, &is_array);
  if (!is_array) fail(Code::argument, "%s: expected %s, received %s", what.c_str(), expected, describe(value).c_str());
  Array array{};
  napi_value buffer;
  size_t offset;
  napi_get_typedarray_info(value.Env(), value, &array.type, &array.length, &array.data, &buffer, &offset);
  if (array.length == 0) {  // a detached buffer looks like an empty one
    bool detached = false;
    napi_is_detached_arraybuffer(value.Env(), buffer, &detached);
    if (detached) fail(Code::buffer, "%s: its buffer is detached (transferred to another thread?)", what.c_str());
    array.data = nullptr;
  }
  return array;
}

void copy_floats(Napi::Value value, const std::string& what, std::vector<float>& to) {
  const Span<float> from = read_floats(value, what);
  to.resize(from.size);
  if (from.size) memcpy(to.data(), from.data, from.size * sizeof(float));
}

Napi::Value element(Napi::Array array, size_t i) { return array.Get(static_cast<uint32_t>(i)); }

Napi::Array read_array(Napi::Value value, const char* what) {
  if (!value.IsArray()) fail(Code::argument, "%s: expected an array, received %s", what, describe(value).c_str());
  return value.As<Napi::Array>();
}

std::string read_string(Napi::Value value, const char* what) {
  if (!value.IsString()) fail(Code::argument, "%s: expected a string, received %s", what, describe(value).c_str());
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> read_strings(Napi::Value value, const char* what) {
  const Napi::Array array = read_array(value, what);
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); ++i) strings.push_back(read_string(array.Get(i), what));
  return strings;
}

Attrs::Value read_attr(Napi::Value value, const char* name) {
  if (value.IsNumber()) return value.As<Napi::Number>().DoubleValue();
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (!value.IsArray())
    fail(Code::argument, "%s: expected a number, boolean, string or array, received %s", name, describe(value).c_str());
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() > 0 && element(array, 0).IsString()) return read_strings(value, name);
  return read_numbers(value, name);
}

}  // namespace

Span<float> read_floats(Napi::Value value, const std::string& what) {
  const Array array = read_typed_array(value, what, "a Float32Array");
  if (array.type != napi_float32_array)
    fail(Code::argument, "%s: expected a Float32Array, received %s", what.c_str(), describe(value).c_str());
  return {static_cast<float*>(array.data), array.length};
}

Span<void> read_in_place(Napi::Value value, DType dtype, const std::string& what) {
  struct Kind {
    napi_typedarray_type type;
    const char* name;
  };
  const Kind kind = dtype == DType::f32        ? Kind{napi_float32_array, "a Float32Array"}
                    : dtype == DType::i32      ? Kind{napi_int32_array, "an Int32Array"}
                    : dtype_bytes(dtype) == 2 ? Kind{napi_uint16_array, "a Uint16Array"}
                                               : Kind{napi_uint8_array, "a Uint8Array"};
  const Array array = read_typed_array(value, what, kind.name);
  if (array.type != kind.type) fail(Code::argument, "%s: expected %s, received %s", what.c_str(), kind.name, describe(value).c_str());
  return {array.data, array.length};
}

void copy_ints(Napi::Value value, const char* what, size_t table, std::vector<int32_t>& to) {
  const auto name = [&] { return "[batch] tables[" + std::to_string(table) + "]." + what; };
  bool is_array = false;
  napi_is_typedarray(value.Env(), value, &is_array);
  const Array array = read_typed_array(value, is_array ? std::string() : name(), "an Int32Array or BigInt64Array");
  to.resize(array.length);
  if (array.type == napi_int32_array) {
    if (array.length) memcpy(to.data(), array.data, array.length * sizeof(int32_t));
    return;
  }
  if (array.type != napi_bigint64_array)
    fail(Code::argument, "%s: expected an Int32Array or BigInt64Array, received %s", name().c_str(), describe(value).c_str());
  const auto* from = static_cast<const int64_t*>(array.data);
  for (size_t i = 0; i < array.length; ++i) {
    to[i] = static_cast<int32_t>(from[i]);
    if (to[i] != from[i])
      fail(Code::index, "%s: expected 32-bit values, received %lld at position %zu", name().c_str(), static_cast<long long>(from[i]), i);
  }
}

double read_number(Napi::Value value, const char* what) {
  if (!value.IsNumber()) fail(Code::argument, "%s: expected a number, received %s", what, describe(value).c_str());
  return value.As<Napi::Number>().DoubleValue();
}

std::vector<double> read_numbers(Napi::Value value, const char* what) {
  const Napi::Array array = read_array(value, what);
  std::vector<double> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i) numbers.push_back(read_number(array.Get(i), what));
  return numbers;
}

int64_t read_size(Napi::Value value, const char* what) {
  const double number = read_number(value, what);
  if (!(number >= 0 && number <= 0x1p53 && number == std::floor(number)))
    fail(Code::argument, "%s: expected an integer >= 0, received %g", what, number);
  return static_cast<int64_t>(number);
}

Attrs read_attrs(Napi::Value value) {
  Attrs attrs;
  if (value.IsUndefined()) return attrs;
  if (!value.IsObject()) fail(Code::argument, "attrs: expected an object, received %s", describe(value).c_str());
  const auto object = value.As<Napi::Object>();
  for (const std::string& name : read_strings(object.GetPropertyNames(), "attrs")) attrs.set(name, read_attr(object.Get(name), name.c_str()));
  return attrs;
}

std::vector<GroupRule> read_rules(Napi::Value value) {
  const Napi::Array list = read_array(value, "[compile] optimizer");
  std::vector<GroupRule> rules;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    if (!item.IsObject()) fail(Code::argument, "[compile] optimizer: expected { group, attrs }");
    const auto rule = item.As<Napi::Object>();
    rules.push_back({read_string(rule.Get("group"), "[compile] group"), read_attrs(rule.Get("attrs"))});
  }
  return rules;
}

static DerivedColumn::Kind read_kind(Napi::Value value) {
  const std::string kind = read_string(value, "derived.kind");
  if (kind == "cross") return DerivedColumn::cross;
  if (kind == "bucket") return DerivedColumn::bucket;
  if (kind == "quotient") return DerivedColumn::quotient;
  if (kind == "remainder") return DerivedColumn::remainder;
  fail(Code::argument, "derived.kind: expected cross, bucket, quotient or remainder, received \"%s\"", kind.c_str());
}

static std::vector<DerivedColumn> read_derived(Napi::Value value) {
  std::vector<DerivedColumn> all;
  if (value.IsUndefined()) return all;
  const Napi::Array list = read_array(value, "graph.derived");
  for (uint32_t d = 0; d < list.Length(); ++d) {
    const Napi::Value item = list.Get(d);
    if (!item.IsObject()) fail(Code::argument, "graph.derived: expected objects, received %s", describe(item).c_str());
    const auto object = item.As<Napi::Object>();
    DerivedColumn column{read_kind(object.Get("kind")), {}, read_size(object.Get("rows"), "derived.rows")};
    const Napi::Array from = read_array(object.Get("from"), "derived.from");
    for (uint32_t i = 0; i < from.Length(); ++i) column.from.push_back(read_size(from.Get(i), "derived.from"));
    if (object.Has("boundaries"))
      for (const double boundary : read_numbers(object.Get("boundaries"), "derived.boundaries"))
        column.boundaries.push_back(static_cast<float>(boundary));
    if (object.Has("divisor")) column.divisor = read_size(object.Get("divisor"), "derived.divisor");
    all.push_back(std::move(column));
  }
  return all;
}

GraphSpec read_graph(Napi::Value value) {
  if (!value.IsObject()) fail(Code::argument, "graph: expected an object, received %s", describe(value).c_str());
  const auto object = value.As<Napi::Object>();
  GraphSpec spec;
  spec.inputs.dense = read_size(object.Get("dense"), "graph.dense");
  const Napi::Array rows = read_array(object.Get("rows"), "graph.rows");
  for (uint32_t t = 0; t < rows.Length(); ++t) {
    spec.inputs.rows.push_back(read_size(rows.Get(t), "graph.rows"));
    if (spec.inputs.rows.back() < 1 || spec.inputs.rows.back() > INT32_MAX)
      fail(Code::argument, "graph.rows: expected 1 to 2^31 - 1 rows in a table, received %lld", static_cast<long long>(spec.inputs.rows.back()));
  }
  spec.inputs.table_names = read_strings(object.Get("tableNames"), "graph.tableNames");
  if (spec.inputs.table_names.size() != spec.inputs.rows.size()) fail(Code::shape, "graph.tableNames: expected one name per table");
  spec.inputs.derived = read_derived(object.Get("derived"));
  const Napi::Array nodes = read_array(object.Get("nodes"), "graph.nodes");
  for (uint32_t n = 0; n < nodes.Length(); ++n) {
    const Napi::Value item = nodes.Get(n);
    if (!item.IsObject()) fail(Code::argument, "graph.nodes: expected objects, received %s", describe(item).c_str());
    const auto node = item.As<Napi::Object>();
    spec.nodes.push_back({read_string(node.Get("op"), "node.op"), read_string(node.Get("name"), "node.name"),
                          read_strings(node.Get("inputs"), "node.inputs"), read_strings(node.Get("outputs"), "node.outputs"),
                          read_attrs(node.Get("attrs")), node.Has("group") ? read_string(node.Get("group"), "node.group") : "",
                          node.Has("params") ? read_strings(node.Get("params"), "node.params") : std::vector<std::string>()});
  }
  spec.loss = read_string(object.Get("loss"), "graph.loss");
  spec.prediction = read_string(object.Get("prediction"), "graph.prediction");
  return spec;
}

void read_tables(Napi::Array flat, Batch& batch) {
  batch.tables.resize(flat.Length() / 3);
  for (size_t t = 0; t < batch.tables.size(); ++t) {
    Batch::Table& table = batch.tables[t];
    copy_ints(element(flat, 3 * t), "offsets", t, table.offsets);
    copy_ints(element(flat, 3 * t + 1), "indices", t, table.indices);
    const Napi::Value weights = element(flat, 3 * t + 2);
    table.weighted = !weights.IsUndefined();
    if (table.weighted) copy_floats(weights, "[batch] tables[" + std::to_string(t) + "].weights", table.weights);
    if (table.indices.size() > INT32_MAX) fail(Code::shape, "[batch] tables[%zu].indices: more than 2^31 - 1", t);
    if (static_cast<int64_t>(table.offsets.size()) == batch.size) table.offsets.push_back(static_cast<int32_t>(table.indices.size()));
  }
  batch.seal();
}

void read_packed_tables(Napi::Value value, Batch& batch) {
  const Span<void> span = read_in_place(value, DType::i32, "[batch] tables");
  const auto* packed = reinterpret_cast<const int32_t*>(span.data);
  size_t at = 0;
  const auto take = [&](size_t count) {
    if (count > span.size - at) fail(Code::argument, "[batch] tables: expected %zu more packed numbers", count);
    at += count;
    return packed + at - count;
  };
  batch.tables.resize(static_cast<uint32_t>(*take(1)) & 0xffff);
  for (Batch::Table& table : batch.tables) {
    const int32_t* sizes = take(2);
    const auto offsets = static_cast<size_t>(static_cast<uint32_t>(sizes[0])), lookups = static_cast<size_t>(static_cast<uint32_t>(sizes[1]));
    const int32_t* from = take(offsets);
    table.offsets.assign(from, from + offsets);
    from = take(lookups);
    table.indices.assign(from, from + lookups);
    table.weighted = false;
    if (static_cast<int64_t>(offsets) == batch.size) table.offsets.push_back(static_cast<int32_t>(lookups));
  }
  batch.seal();
}

void read_batch(const Napi::CallbackInfo& info, size_t first, Batch& batch) {
  batch.size = read_size(info[first], "[batch] size");
  batch.dense.clear();
  batch.labels.clear();
  batch.weights.clear();
  if (!info[first + 1].IsUndefined()) copy_floats(info[first + 1], "[batch] dense", batch.dense);
  if (!info[first + 3].IsUndefined()) copy_floats(info[first + 3], "[batch] labels", batch.labels);
  if (!info[first + 4].IsUndefined()) copy_floats(info[first + 4], "[batch] weights", batch.weights);
  if (info[first + 2].IsTypedArray()) return read_packed_tables(info[first + 2], batch);
  read_tables(read_array(info[first + 2], "[batch] tables"), batch);
}

}  // namespace dlrm::binding
