/* Which instructions this machine can run. */
#ifndef REPHASE_CPU_H
#define REPHASE_CPU_H

#include "parallel.h"

/*
 * Every feature a target may ask for beyond baseline x86-64; its bit in a mask is 1 << its place.
 * X(constant, LLVM's name, CPUID leaf, sub-leaf, register 0-3 = a-d, bit, register state the
 * operating system must save). Only append: masks are written into compiled libraries.
 * Bits: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
 */
#define REPHASE_CPU_TABLE(X)                                   \
  X(SSE3, "sse3", 1, 0, 2, 0, 0)                               \
  X(SSSE3, "ssse3", 1, 0, 2, 9, 0)                             \
  X(SSE4_1, "sse4.1", 1, 0, 2, 19, 0)                          \
  X(SSE4_2, "sse4.2", 1, 0, 2, 20, 0)                          \
  X(POPCNT, "popcnt", 1, 0, 2, 23, 0)                          \
  X(AVX, "avx", 1, 0, 2, 28, 0x6)                              \
  X(F16C, "f16c", 1, 0, 2, 29, 0x6)                            \
  X(FMA, "fma", 1, 0, 2, 12, 0x6)                              \
  X(AVX2, "avx2", 7, 0, 1, 5, 0x6)                             \
  X(BMI1, "bmi", 7, 0, 1, 3, 0)                                \
  X(BMI2, "bmi2", 7, 0, 1, 8, 0)                               \
  X(LZCNT, "lzcnt", 0x80000001, 0, 2, 5, 0)                    \
  X(MOVBE, "movbe", 1, 0, 2, 22, 0)                            \
  X(AVX512F, "avx512f", 7, 0, 1, 16, 0xe6)                     \
  X(AVX512BW, "avx512bw", 7, 0, 1, 30, 0xe6)                   \
  X(AVX512CD, "avx512cd", 7, 0, 1, 28, 0xe6)                   \
  X(AVX512DQ, "avx512dq", 7, 0, 1, 17, 0xe6)                   \
  X(AVX512VL, "avx512vl", 7, 0, 1, 31, 0xe6)                   \
  X(CX16, "cx16", 1, 0, 2, 13, 0)                              \
  X(SAHF, "sahf", 0x80000001, 0, 2, 0, 0)                      \
  X(XSAVE, "xsave", 1, 0, 2, 26, 0x1)                          \
  X(PCLMUL, "pclmul", 1, 0, 2, 1, 0)                           \
  X(AES, "aes", 1, 0, 2, 25, 0)                                \
  X(FSGSBASE, "fsgsbase", 7, 0, 1, 0, 0)                       \
  X(ADX, "adx", 7, 0, 1, 19, 0)                                \
  X(SHA, "sha", 7, 0, 1, 29, 0)                                \
  X(GFNI, "gfni", 7, 0, 2, 8, 0)                               \
  X(VAES, "vaes", 7, 0, 2, 9, 0x6)                             \
  X(VPCLMULQDQ, "vpclmulqdq", 7, 0, 2, 10, 0x6)                \
  X(AVXVNNI, "avxvnni", 7, 1, 0, 4, 0x6)                       \
  X(AVX512IFMA, "avx512ifma", 7, 0, 1, 21, 0xe6)               \
  X(AVX512VBMI, "avx512vbmi", 7, 0, 2, 1, 0xe6)                \
  X(AVX512VBMI2, "avx512vbmi2", 7, 0, 2, 6, 0xe6)              \
  X(AVX512VNNI, "avx512vnni", 7, 0, 2, 11, 0xe6)               \
  X(AVX512BITALG, "avx512bitalg", 7, 0, 2, 12, 0xe6)           \
  X(AVX512VPOPCNTDQ, "avx512vpopcntdq", 7, 0, 2, 14, 0xe6)     \
  X(AVX512BF16, "avx512bf16", 7, 1, 0, 5, 0xe6)                \
  X(AVX512FP16, "avx512fp16", 7, 0, 3, 23, 0xe6)

#define REPHASE_CPU_CONSTANT(constant, ...) REPHASE_CPU_##constant,
/* The place of each feature's bit in a mask. */
enum rephase_cpu_feature { REPHASE_CPU_TABLE(REPHASE_CPU_CONSTANT) REPHASE_CPU_COUNT };

/* The features that both the CPU has and the operating system saves the registers of. */
REPHASE_LOCAL uint64_t rephase_cpu_features(void);

#ifndef REPHASE_MODEL
/* The mask bit of a feature by LLVM's name ("avx2"), 0 for a name not in the table. */
uint64_t rephase_cpu_feature_bit(const char *name);
/* LLVM's name of feature number `index`, NULL past the end of the table. */
const char *rephase_cpu_feature_name(uint32_t index);
#endif

#endif
