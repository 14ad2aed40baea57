// Included before every file of a prebuild (DLRM_PORTABLE). glibc 2.29 gave these functions a second version that differs
// only in not setting errno; asking for the first one lets the binary load on glibc 2.28.
#if defined(__linux__) && defined(__x86_64__)
#include <features.h>
#ifdef __GLIBC__
__asm__(".symver exp,exp@GLIBC_2.2.5");
__asm__(".symver exp2,exp2@GLIBC_2.2.5");
__asm__(".symver log,log@GLIBC_2.2.5");
__asm__(".symver log2,log2@GLIBC_2.2.5");
__asm__(".symver pow,pow@GLIBC_2.2.5");
#endif
#endif
