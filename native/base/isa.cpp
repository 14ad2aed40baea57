#include "base/isa.h"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#include "base/error.h"

namespace dlrm {
namespace {

const char* const kNames[kIsaCount] = {"scalar", "avx2", "avx512", "avx512_bf16", "amx"};

Isa parse(const char* name) {
  for (int i = 0; i < kIsaCount; ++i)
    if (!strcmp(name, kNames[i])) return static_cast<Isa>(i);
  fail(Code::argument, "isa: expected scalar, avx2, avx512, avx512_bf16 or amx, received \"%s\"", name);
}

#if defined(__x86_64__)
// By CPUID what not every compiler knows by name: F16C, AVX512-BF16, AMX.
bool has_avx2() {
  unsigned a, b, c, d;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}

bool has_avx512_bf16() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

// Its tiles are 8 KB of a thread's state that Linux saves only for a process that has asked.
bool has_amx() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;  // amx-bf16, amx-tile
  return !syscall(SYS_arch_prctl, kRequestPermission, kTileData);
#else
  return false;
#endif
}

Isa find_best() {
  __builtin_cpu_init();
  if (!has_avx2()) return Isa::scalar;
  if (!has_avx512()) return Isa::avx2;
  if (!has_avx512_bf16()) return Isa::avx512;
  return has_amx() ? Isa::amx : Isa::avx512_bf16;
}
#else
Isa find_best() { return Isa::scalar; }
#endif

}  // namespace

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa best_isa() {
  static const Isa best = find_best();
  return best;
}

Isa isa_from_name(const char* name) {
  const Isa isa = parse(name);
  if (isa > best_isa()) fail(Code::argument, "isa: this machine has no %s (its best is %s)", name, isa_name(best_isa()));
  return isa;
}

Isa default_isa() {
  const char* wanted = getenv("DLRM_ISA");
  if (!wanted || !*wanted) return best_isa();
  const Isa isa = parse(wanted);
  return isa < best_isa() ? isa : best_isa();
}

}  // namespace dlrm
