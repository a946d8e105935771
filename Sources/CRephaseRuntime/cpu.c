#include "cpu.h"

#include <string.h>

#ifndef __x86_64__
#error "Rephase's runtime is written for x86-64"
#endif
#include <cpuid.h>

typedef struct rephase_cpu_entry {
  const char *name;
  uint32_t leaf, subleaf, reg, bit;
  uint64_t state; /* bits of XCR0 that must be set */
} rephase_cpu_entry;

#define REPHASE_CPU_ENTRY(constant, name, leaf, subleaf, reg, bit, state) \
  {name, leaf, subleaf, reg, bit, state},
static const rephase_cpu_entry rephase_cpu_table[REPHASE_CPU_COUNT] = {
    REPHASE_CPU_TABLE(REPHASE_CPU_ENTRY)};

_Static_assert(REPHASE_CPU_COUNT <= 64, "a mask has 64 bits");

/* The register state the operating system saves (XCR0); 0 where XGETBV is not enabled. */
static uint64_t rephase_cpu_saved_state(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (uint64_t)d << 32 | a;
}

static int rephase_cpu_has(const rephase_cpu_entry *entry, uint64_t saved) {
  uint32_t r[4], last, b, c, d;
  if ((saved & entry->state) != entry->state) return 0;
  /* A sub-leaf past the last one of leaf 7 may hold anything. */
  if (entry->subleaf > 0 &&
      (!__get_cpuid_count(entry->leaf, 0, &last, &b, &c, &d) || last < entry->subleaf))
    return 0;
  return __get_cpuid_count(entry->leaf, entry->subleaf, &r[0], &r[1], &r[2], &r[3]) &&
         (r[entry->reg] >> entry->bit & 1);
}

REPHASE_LOCAL uint64_t rephase_cpu_features(void) {
  uint64_t saved = rephase_cpu_saved_state(), mask = 0;
  for (int i = 0; i < REPHASE_CPU_COUNT; i++)
    if (rephase_cpu_has(&rephase_cpu_table[i], saved)) mask |= (uint64_t)1 << i;
  return mask;
}

#ifndef REPHASE_MODEL
uint64_t rephase_cpu_feature_bit(const char *name) {
  for (int i = 0; i < REPHASE_CPU_COUNT; i++)
    if (strcmp(rephase_cpu_table[i].name, name) == 0) return (uint64_t)1 << i;
  return 0;
}

const char *rephase_cpu_feature_name(uint32_t index) {
  return index < REPHASE_CPU_COUNT ? rephase_cpu_table[index].name : NULL;
}
#endif
