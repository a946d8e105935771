#include "cpu.h"

#include <stdbool.h>
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

/* What CPUID says of one sub-leaf, registers a to d; zero where the processor has none. */
typedef struct rephase_cpu_leaf {
  uint32_t leaf, subleaf;
  uint32_t registers[4];
} rephase_cpu_leaf;

/* The sub-leaves asked for so far: a virtual machine takes microseconds for each CPUID. */
typedef struct rephase_cpu_leaves {
  int count;
  rephase_cpu_leaf known[REPHASE_CPU_COUNT + 2];
} rephase_cpu_leaves;

static const uint32_t *rephase_cpu_registers(rephase_cpu_leaves *leaves, uint32_t leaf,
                                             uint32_t subleaf) {
  for (int i = 0; i < leaves->count; i++)
    if (leaves->known[i].leaf == leaf && leaves->known[i].subleaf == subleaf)
      return leaves->known[i].registers;
  /* A sub-leaf past the last one of leaf 7 may hold anything. */
  bool exists = subleaf == 0 || rephase_cpu_registers(leaves, leaf, 0)[0] >= subleaf;
  rephase_cpu_leaf *added = &leaves->known[leaves->count++];
  *added = (rephase_cpu_leaf){leaf, subleaf, {0}};
  uint32_t *r = added->registers;
  if (exists) __get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]);
  return r;
}

/* The register state the operating system saves (XCR0); 0 where XGETBV is not enabled. */
static uint64_t rephase_cpu_saved_state(rephase_cpu_leaves *leaves) {
  if (!(rephase_cpu_registers(leaves, 1, 0)[2] >> 27 & 1)) return 0;
  uint32_t a, d;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (uint64_t)d << 32 | a;
}

REPHASE_LOCAL uint64_t rephase_cpu_features(void) {
  rephase_cpu_leaves leaves = {0};
  uint64_t saved = rephase_cpu_saved_state(&leaves), mask = 0;
  for (int i = 0; i < REPHASE_CPU_COUNT; i++) {
    const rephase_cpu_entry *entry = &rephase_cpu_table[i];
    if ((saved & entry->state) != entry->state) continue;
    uint32_t r = rephase_cpu_registers(&leaves, entry->leaf, entry->subleaf)[entry->reg];
    if (r >> entry->bit & 1) mask |= (uint64_t)1 << i;
  }
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
