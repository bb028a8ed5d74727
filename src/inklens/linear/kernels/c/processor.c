/* What this processor can run. The processor itself is asked: the compilers' own answer, __builtin_cpu_supports, comes
 * from their run-time libraries, and that of Zig says no to everything. */
#include "kernels.h"

#ifdef BASELINE

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Registers that the system saves when it switches threads (XCR0): vectors of 32 bytes, and those of 64. */
enum { SAVED_YMM = 0x06, SAVED_ZMM = 0xe6 };
static unsigned saved_registers(void) {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static int has_all(unsigned word, unsigned bits) { return (word & bits) == bits; }

/* The best instruction set that this processor and its system run. */
VISIBLE const char *inklens_isa(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, bit_OSXSAVE | bit_FMA)) return "plain";
  unsigned saved = saved_registers();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has_all(b, bit_AVX2) || !has_all(saved, SAVED_YMM)) return "plain";
  if (has_all(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL) && has_all(saved, SAVED_ZMM)) return "avx512";
  return "avx2";
}

#elif defined(__aarch64__)
VISIBLE const char *inklens_isa(void) { return "neon"; }
#else
VISIBLE const char *inklens_isa(void) { return "plain"; }
#endif

#endif
