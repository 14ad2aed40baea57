// Which sanitizer this is compiled with. Under one, tests leave out what it cannot see, so that they are done in minutes.
#pragma once
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DLRM_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define DLRM_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define DLRM_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define DLRM_THREAD_SANITIZER 1
#endif

#if defined(DLRM_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

namespace dlrm::test {

#if defined(DLRM_ADDRESS_SANITIZER)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif
#if defined(DLRM_THREAD_SANITIZER)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

// From `forbid` to `allow` AddressSanitizer reports every access, whoever has mapped the memory. Nothing without it. The
// memory begins at a multiple of 8, or its first few bytes stay allowed.
inline void forbid([[maybe_unused]] void* p, [[maybe_unused]] size_t bytes) {
#if defined(DLRM_ADDRESS_SANITIZER)
  __asan_poison_memory_region(p, bytes);
#endif
}
inline void allow([[maybe_unused]] const void* p, [[maybe_unused]] size_t bytes) {
#if defined(DLRM_ADDRESS_SANITIZER)
  __asan_unpoison_memory_region(p, bytes);
#endif
}

}  // namespace dlrm::test
