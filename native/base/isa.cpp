#include "base/isa.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace dlrm {
namespace {

const char* const kNames[kIsaCount] = {"scalar", "avx2", "avx512"};

Isa parse(const char* name) {
  for (int i = 0; i < kIsaCount; ++i)
    if (!strcmp(name, kNames[i])) return static_cast<Isa>(i);
  fail(Code::argument, "isa: expected scalar, avx2 or avx512, received \"%s\"", name);
}

}  // namespace

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa best_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::scalar;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return avx512 ? Isa::avx512 : Isa::avx2;
#else
  return Isa::scalar;
#endif
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
