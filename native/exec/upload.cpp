#include "exec/upload.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace dlrm {
namespace {

constexpr size_t kPartAlign = 256;
constexpr size_t kNone = SIZE_MAX;  // no part: null, or offsets that are 0, 1, 2, ...
constexpr size_t kFirst = 4;        // places before those of the columns
constexpr size_t kPerColumn = 3;
constexpr double kNsPerByte = 0.1;

template <class T>
T* at(const Buffer& memory, size_t place) {
  return place == kNone ? nullptr : reinterpret_cast<T*>(memory.data() + place);
}

// Room for a quarter more than asked for: batches of several indices per bag differ.
void grow(Buffer& memory, size_t bytes) {
  if (memory.size() < bytes) memory.reserve(bytes + bytes / 4);
}

}  // namespace

size_t Uploads::add(const void* from, size_t bytes) {
  if (!from) return kNone;
  const size_t place = bytes_;
  parts_.push_back({from, bytes, place});
  bytes_ += (bytes + kPartAlign - 1) / kPartAlign * kPartAlign;
  return place;
}

void Uploads::lay_out(const Batch& batch, int64_t dense_cols, const std::vector<char>& constants) {
  const Bags& bags = batch.bags();
  const auto numbers = [](int64_t count) { return static_cast<size_t>(count) * 4; };
  parts_.clear();
  places_.clear();
  bytes_ = 0;
  places_.push_back(add(constants.empty() ? nullptr : constants.data(), constants.size()));
  places_.push_back(add(batch.dense.data(), numbers(batch.size * dense_cols)));
  places_.push_back(add(batch.labels.empty() ? nullptr : batch.labels.data(), numbers(batch.size)));
  places_.push_back(add(batch.example_weights(), numbers(batch.size)));
  for (int64_t c = 0; c < bags.tables; ++c) {
    places_.push_back(one_hot_[static_cast<size_t>(c)] ? kNone : add(bags.offsets[c], numbers(batch.size + 1)));
    places_.push_back(add(bags.indices[c], numbers(bags.counts[c])));
    places_.push_back(add(bags.weights ? bags.weights[c] : nullptr, numbers(bags.counts[c])));
  }
}

// The slot's memory holds the batch, and nothing uses it any more.
void Uploads::reserve(Slot& slot, const Stream& to, const Stream& by) {
  if (slot.used) slot.sent.wait();
  slot.used = true;
  if (slot.device.size() >= bytes_) {
    if (&by != &to) by.wait_for(slot.read);
    return;
  }
  to.wait();
  grow(slot.host, bytes_);
  grow(slot.device, bytes_);
}

void Uploads::reserve_one_each(int64_t size, const Stream& to) {
  const auto count = static_cast<size_t>(size) + 1;
  if (one_each_.size() >= count * 4) return;
  to.wait();
  std::vector<int32_t> numbers(count + count / 4);
  std::iota(numbers.begin(), numbers.end(), 0);
  one_each_.reserve(numbers.size() * 4);
  to.copy_and_wait(one_each_.data(), numbers.data(), numbers.size() * 4);
}

void Uploads::point(Slot& slot, const Batch& batch, int64_t dense_cols) {
  const auto matrix = [&](size_t place, int64_t cols) {
    return View{at<float>(slot.device, place), DType::f32, batch.size, cols, cols};
  };
  slot.to_read = {{matrix(places_[1], dense_cols), matrix(places_[2], 1), matrix(places_[3], 1), &slot.bags}, at<char>(slot.device, places_[0])};
  const Bags& bags = batch.bags();
  const auto columns = static_cast<size_t>(bags.tables);
  slot.offsets.resize(columns);
  slot.indices.resize(columns);
  slot.weights.resize(columns);
  slot.counts.assign(bags.counts, bags.counts + columns);
  for (size_t c = 0; c < columns; ++c) {
    const size_t* places = places_.data() + kFirst + kPerColumn * c;
    slot.offsets[c] = one_hot_[c] ? one_each_.as<int32_t>() : at<int32_t>(slot.device, places[0]);
    slot.indices[c] = at<int32_t>(slot.device, places[1]);
    slot.weights[c] = at<float>(slot.device, places[2]);
  }
  slot.bags = {bags.tables, slot.offsets.data(), slot.indices.data(), bags.weights ? slot.weights.data() : nullptr, slot.counts.data()};
}

const Uploads::Sent& Uploads::send(const Batch& batch, int64_t dense_cols, const std::vector<char>& constants, const Stream& to, bool ahead,
                                   Pool* pool) {
  const Stream& by = ahead ? stream_ : to;
  const int64_t columns = batch.bags().tables;
  one_hot_.resize(static_cast<size_t>(columns));
  for_chunks(pool, columns, kNsPerByte * 4 * static_cast<double>(columns * batch.size),
             [&](int64_t c) { one_hot_[static_cast<size_t>(c)] = batch.is_one_hot(static_cast<size_t>(c)); });
  reserve_one_each(batch.size, to);
  lay_out(batch, dense_cols, constants);
  current_ ^= 1;
  Slot& slot = slots_[current_];
  reserve(slot, to, by);
  for_chunks(pool, static_cast<int64_t>(parts_.size()), kNsPerByte * static_cast<double>(bytes_), [&](int64_t i) {
    const Part& part = parts_[static_cast<size_t>(i)];
    if (part.bytes) memcpy(slot.host.data() + part.at, part.from, part.bytes);
  });
  by.copy(slot.device.data(), slot.host.data(), bytes_);
  slot.sent.record(by);
  if (ahead) to.wait_for(slot.sent);
  point(slot, batch, dense_cols);
  return slot.to_read;
}

void Uploads::end(const Stream& readers) { slots_[current_].read.record(readers); }

}  // namespace dlrm
