#include "base/probe.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace dlrm {
namespace {

constexpr int64_t kChains = 32;

// Plain loops over independent sums, for the compiler to make of them what the baseline instruction set allows.
float fma_plain(int64_t rounds) {
  float s[kChains];
  std::fill(s, s + kChains, 1e-3f);
  for (int64_t i = 0; i < rounds; ++i)
    for (int64_t k = 0; k < kChains; ++k) s[k] = s[k] * 0.999f + 1e-3f;
  float sum = 0;
  for (float x : s) sum += x;
  return sum;
}

float read_plain(const float* data, int64_t floats) {
  float s[kChains] = {};
  for (int64_t i = 0; i + kChains <= floats; i += kChains)
    for (int64_t k = 0; k < kChains; ++k) s[k] += data[i + k];
  float sum = 0;
  for (float x : s) sum += x;
  return sum;
}

float gather_plain(const float* table, int64_t width, const int32_t* rows, int64_t count, int64_t) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float* row = table + rows[i] * width;
    float s[8] = {};
    int64_t k = 0;
    for (; k + 8 <= width; k += 8)
      for (int64_t j = 0; j < 8; ++j) s[j] += row[k + j];
    for (; k < width; ++k) s[0] += row[k];
    for (float x : s) sum += x;
  }
  return sum;
}

float update_plain(float* table, int64_t width, const int32_t* rows, int64_t count, int64_t) {
  for (int64_t i = 0; i < count; ++i) {
    float* row = table + rows[i] * width;
    for (int64_t k = 0; k < width; ++k) row[k] += 1e-3f;
  }
  return table[0];
}

const VariantTable<ProbeKernels> kVariants = {{
    &probe_scalar,
#if defined(__x86_64__)
    &probe_avx2,
    &probe_avx512,
#else
    nullptr,
    nullptr,
#endif
}};

volatile float sink;

// The last caches of the cores there are, in bytes; 0: unknown. sysconf counts those of cores that a virtual machine lacks.
int64_t last_cache_bytes() {
  int64_t bytes = 0;
#ifdef __linux__
  std::set<std::string> seen;
  for (int cpu = 0;; ++cpu) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index3/";
    std::string cores;
    int64_t kilobytes = 0;
    if (!(std::ifstream(folder + "shared_cpu_list") >> cores) || !(std::ifstream(folder + "size") >> kilobytes)) break;
    if (seen.insert(cores).second) bytes += kilobytes << 10;
  }
#endif
#ifdef _SC_LEVEL3_CACHE_SIZE
  if (!bytes) bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return bytes;
}

// Bytes after which nothing of what lay in the caches before does so still: four times the last cache.
size_t cache_overflow() {
  const int64_t cache = last_cache_bytes();
  return static_cast<size_t>(std::clamp<int64_t>(4 * cache, 128 << 20, 1 << 30));
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Calls work(i) for each i in [0, n) on the pool again and again; the best rate, if one pass does `amount`.
template <class F>
double best_rate(Pool* pool, int64_t n, double amount, double seconds, F&& work) {
  const auto pass = [&] { for_chunks(pool, n, 1e9, [&](int64_t i) { sink = work(i); }); };
  pass();
  const double end = now() + seconds;
  double best = 0;
  int passes = 0;
  for (double start = now(); start < end || passes < 3; ++passes) {
    pass();
    const double stop = now();
    best = std::max(best, amount / std::max(stop - start, 1e-9));
    start = stop;
  }
  return best;
}

void fill(float* data, int64_t floats, Pool* pool) {
  constexpr int64_t kChunk = 1 << 18;
  const int64_t chunks = (floats + kChunk - 1) / kChunk;
  for_chunks(pool, chunks, 1e9, [&](int64_t i) {
    std::fill(data + i * kChunk, data + std::min(floats, (i + 1) * kChunk), 1.0f);
  });
}

double probe_fma(const ProbeKernels& kernels, const ProbeSpec& spec, Pool* pool, int64_t threads) {
  constexpr int64_t kRounds = 100000;
  const double flops = static_cast<double>(threads * kRounds * kernels.flops_per_round);
  return best_rate(pool, threads, flops, spec.seconds, [&](int64_t) { return kernels.fma(kRounds); });
}

double probe_read(const ProbeKernels& kernels, const ProbeSpec& spec, Pool* pool, int64_t threads) {
  // In pieces that divide evenly; small buffers are read several times a pass, since a pass should outlast its timing.
  constexpr int64_t kPiece = 1024;
  const int64_t pieces = spec.bytes / 4 / kPiece;
  const int64_t n = std::min(pieces, threads * 8), again = std::max<int64_t>(1, (1 << 22) / spec.bytes);
  Buffer buffer(static_cast<size_t>(spec.bytes));
  fill(buffer.as<float>(), spec.bytes / 4, pool);
  const double bytes = static_cast<double>(again * pieces * kPiece * 4);
  return best_rate(pool, n, bytes, spec.seconds, [&](int64_t i) {
    const int64_t begin = pieces * i / n, end = pieces * (i + 1) / n;
    float sum = 0;
    for (int64_t k = 0; k < again; ++k) sum += kernels.read(buffer.as<float>() + begin * kPiece, (end - begin) * kPiece);
    return sum;
  });
}

// Numbers of rows in n lists of equal length, one for each chunk of work: at random places, and in blocks of 16 rows (no cache
// line in two lists, even of short rows) that belong to one list only if `disjoint`.
std::vector<int32_t> random_rows(int64_t rows, int64_t count, int64_t n, bool disjoint) {
  constexpr uint64_t kBlock = 16;
  const auto all = static_cast<uint64_t>(rows), lists = static_cast<uint64_t>(n);
  const uint64_t blocks = all / (kBlock * lists);
  std::vector<int32_t> places(static_cast<size_t>(count / n * n));
  const Philox random{1};
  for (uint64_t i = 0; i < places.size(); ++i) {
    const Philox::Block draw = random(i);
    const uint64_t list = i / static_cast<uint64_t>(count / n), block = draw.v[0] * blocks >> 32;
    places[i] = static_cast<int32_t>(disjoint ? (block * lists + list) * kBlock + draw.v[1] % kBlock : draw.v[0] * all >> 32);
  }
  return places;
}

// Rows read, or changed in place.
double probe_rows(const ProbeKernels& kernels, const ProbeSpec& spec, Pool* pool, int64_t threads) {
  const bool update = spec.kind == ProbeKind::update;
  const int64_t n = threads * 8, width = spec.row_bytes / 4;
  int64_t rows = std::min<int64_t>(spec.bytes / spec.row_bytes, INT32_MAX);
  if (update) rows = std::max(rows, 16 * n);
  Buffer table(static_cast<size_t>(rows * spec.row_bytes));
  fill(table.as<float>(), rows * width, pool);
  // As many rows as the table has, or as overflow the caches: else these would hold more of them than of rows met once.
  const int64_t most = static_cast<int64_t>(cache_overflow()) / std::max<int64_t>(64, spec.row_bytes);
  const int64_t each = std::clamp<int64_t>(rows, 1 << 12, std::max<int64_t>(most, 1 << 12)) / n + 1;
  const std::vector<int32_t> places = random_rows(rows, each * n, n, update);
  const double bytes = static_cast<double>(each * n * spec.row_bytes * (update ? 2 : 1));
  // How many cache lines to ask for in advance differs from machine to machine: the best counts.
  double best = 0;
  for (const int64_t lines : {0, 8, 32, 128}) {
    const int64_t ahead = lines * 64 / spec.row_bytes;
    const double rate = best_rate(pool, n, bytes, spec.seconds / 4, [&](int64_t i) {
      const int32_t* mine = places.data() + i * each;
      return update ? kernels.update(table.as<float>(), width, mine, each, ahead) : kernels.gather(table.as<float>(), width, mine, each, ahead);
    });
    best = std::max(best, rate);
  }
  return best;
}

}  // namespace

const ProbeKernels probe_scalar = {2 * kChains, fma_plain, read_plain, gather_plain, update_plain};

CacheSweep::CacheSweep() {
  buffer_.reserve(cache_overflow());
  fill(buffer_.as<float>(), static_cast<int64_t>(buffer_.size() / 4), nullptr);
}

void CacheSweep::run(Pool* pool) {
  constexpr int64_t kPieces = 64;
  const int64_t floats = static_cast<int64_t>(buffer_.size() / 4 / kPieces);
  for_chunks(pool, kPieces, 1e9, [&](int64_t i) { sink = read_plain(buffer_.as<float>() + i * floats, floats); });
}

double probe(const ProbeSpec& spec, Pool* pool) {
  if (spec.bytes < 4096 || spec.bytes > int64_t{1} << 36)
    fail(Code::argument, "[probe] bytes: expected 4096 to 2^36, received %lld", static_cast<long long>(spec.bytes));
  if (spec.row_bytes < 4 || spec.row_bytes % 4 || spec.row_bytes > spec.bytes)
    fail(Code::argument, "[probe] row_bytes: expected a multiple of 4 up to bytes, received %lld",
         static_cast<long long>(spec.row_bytes));
  if (!(spec.seconds >= 0 && spec.seconds <= 60))
    fail(Code::argument, "[probe] seconds: expected 0 to 60, received %g", spec.seconds);
  const ProbeKernels& kernels = kVariants.pick(spec.isa);
  const int64_t threads = pool ? pool->threads() : 1;
  switch (spec.kind) {
    case ProbeKind::fma:
      return probe_fma(kernels, spec, pool, threads);
    case ProbeKind::read:
      return probe_read(kernels, spec, pool, threads);
    case ProbeKind::gather:
    case ProbeKind::update:
      return probe_rows(kernels, spec, pool, threads);
  }
  return 0;
}

}  // namespace dlrm
