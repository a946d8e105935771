/*
 * Two models linked into one host, with a context of each alive at once. Exit status 0: both pass
 * their self-tests, before and after the other ran.
 */
#include "first.h"
#include "second.h"

#include <stdio.h>
#include <stdlib.h>

#define CONTEXT(n)                                                                     \
  void *n##_context = aligned_alloc(64, (n##_context_bytes() / 64 + 1) * 64);          \
  void *n##_workspace = aligned_alloc(64, (n##_workspace_bytes() / 64 + 1) * 64);      \
  if (n##_create(n##_context, n##_context_bytes(), NULL, 0, NULL) != REPHASE_OK) return 2
#define TEST(n)                                                                        \
  if (n##_selftest(n##_context, n##_workspace, n##_workspace_bytes()) != REPHASE_OK) return 3
#define END(n)                                                                         \
  n##_destroy(n##_context);                                                            \
  free(n##_context);                                                                   \
  free(n##_workspace)

int main(void) {
  CONTEXT(first);
  CONTEXT(second);
  TEST(first);
  TEST(second);
  TEST(first);
  END(first);
  TEST(second);
  END(second);
  puts("two models in one host: passed");
  return 0;
}
