/* The pool, the hash and the CPU check as the compiler links them. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "cpu.h"
#include "sha256.h"

/* MARK: a system that refuses threads (linked with --wrap=pthread_create) */

static int threads_allowed = 1 << 30;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument) {
  return threads_allowed-- > 0 ? __real_pthread_create(thread, attributes, start, argument) : 11;
}

/* MARK: loop bodies */

enum { MOST = 5000 };
static int hits[MOST]; /* plain, so that a race is seen */

static void hit(void *argument, int64_t begin, int64_t end) {
  (void)argument;
  for (int64_t i = begin; i < end; i++) hits[i]++;
}

/* Runs a loop of its own for each iteration. */
static void hit_nested(void *argument, int64_t begin, int64_t end) {
  const rephase_parallel *parallel = argument;
  for (int64_t i = begin; i < end; i++) parallel->run(parallel->user, 10, hit, NULL);
}

static void add_nested(void *argument, int64_t begin, int64_t end) {
  atomic_fetch_add((atomic_long *)argument, (long)(end - begin));
}

typedef struct nest {
  const rephase_parallel *parallel;
  atomic_long sum;
} nest;

static void nested(void *argument, int64_t begin, int64_t end) {
  nest *n = argument;
  for (int64_t i = begin; i < end; i++)
    n->parallel->run(n->parallel->user, 10, add_nested, &n->sum);
}

static rephase_pool *pool_new(uint32_t threads) {
  void *memory = aligned_alloc(64, rephase_pool_bytes());
  memset(memory, 0xa5, rephase_pool_bytes());
  return rephase_pool_create(memory, threads);
}

static void pool_free(rephase_pool *pool) {
  rephase_pool_destroy(pool);
  free(pool);
}

/* Every iteration of 0 ..< count once, and nothing else. */
static void check_run(rephase_pool *pool, int64_t count) {
  const rephase_parallel *parallel = rephase_pool_parallel(pool);
  memset(hits, 0, sizeof hits);
  parallel->run(parallel->user, count, hit, NULL);
  int right = 1;
  for (int64_t i = 0; i < MOST; i++) right &= hits[i] == (i < count);
  CHECK(right);
}

static void test_cover(void) {
  static const uint32_t threads[] = {1, 2, 3, 7, 64};
  static const int64_t counts[] = {-1, 0, 1, 2, 3, 6, 7, 8, 48, 63, 64, 65, 1000, MOST};
  for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
    rephase_pool *pool = pool_new(threads[t]);
    CHECK(rephase_pool_threads(pool) == threads[t]);
    for (int round = 0; round < 20; round++)
      for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) check_run(pool, counts[c]);
    pool_free(pool);
  }
}

/* Gaps of 0 to 300 microseconds: workers are met spinning, asleep, and falling asleep. */
static void test_gaps(void) {
  for (uint32_t threads = 2; threads <= 3; threads++) {
    rephase_pool *pool = pool_new(threads);
    for (long round = 0; round < 1500; round++) {
      struct timespec gap = {0, round % 300 * 1000};
      if (round % 4 == 0) nanosleep(&gap, NULL);
      check_run(pool, 100);
    }
    pool_free(pool);
  }
}

static void test_nested(void) {
  rephase_pool *pool = pool_new(3);
  nest n = {.parallel = rephase_pool_parallel(pool)};
  for (int i = 0; i < 200; i++) n.parallel->run(n.parallel->user, 37, nested, &n);
  CHECK(n.sum == 200 * 37 * 10);
  memset(hits, 0, sizeof hits);
  hit_nested((void *)(uintptr_t)n.parallel, 0, 4);
  CHECK(hits[0] == 4 && hits[9] == 4 && hits[10] == 0);
  pool_free(pool);
}

static void test_many_pools(void) {
  for (uint32_t i = 0; i < 1000; i++) {
    rephase_pool *pool = pool_new(1 + i % 5);
    if (i % 2) check_run(pool, 50);
    pool_free(pool);
  }
}

static void test_refused_threads(void) {
  for (int allowed = 0; allowed < 4; allowed++) {
    threads_allowed = allowed;
    rephase_pool *pool = pool_new(7);
    threads_allowed = 1 << 30;
    CHECK(rephase_pool_threads(pool) == (uint32_t)allowed + 1);
    check_run(pool, 1000);
    pool_free(pool);
  }
}

/* MARK: threads and signals, floating-point mode, fork */

typedef struct witness {
  pthread_t main;
  atomic_int workers, wrong;
} witness;

/* Notes on a worker which signals it takes; slow enough that workers join. */
static void look(void *argument, int64_t begin, int64_t end) {
  witness *w = argument;
  sigset_t blocked;
  (void)begin, (void)end;
  nanosleep(&(struct timespec){0, 200000}, NULL);
  if (pthread_equal(pthread_self(), w->main)) return;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  if (!sigismember(&blocked, SIGUSR1) || !sigismember(&blocked, SIGINT) ||
      sigismember(&blocked, SIGSEGV))
    w->wrong++;
  w->workers++;
}

static void test_signals(void) {
  rephase_pool *pool = pool_new(3);
  const rephase_parallel *parallel = rephase_pool_parallel(pool);
  sigset_t blocked;
  witness w = {.main = pthread_self()};
  for (int i = 0; i < 1000 && w.workers == 0; i++) parallel->run(parallel->user, 30, look, &w);
  CHECK(w.workers > 0);
  CHECK(w.wrong == 0);
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  CHECK(!sigismember(&blocked, SIGUSR1));
  pool_free(pool);
}

/* Like `look`; the caller waits in its part until a worker has come, which a busy machine may delay. */
static void meet(void *argument, int64_t begin, int64_t end) {
  witness *w = argument;
  look(argument, begin, end);
  if (!pthread_equal(pthread_self(), w->main)) return;
  for (int i = 0; i < 50000 && w->workers == 0; i++) nanosleep(&(struct timespec){0, 200000}, NULL);
}

/* A run wakes workers that sleep. */
static void test_wake(void) {
  rephase_pool *pool = pool_new(3);
  const rephase_parallel *parallel = rephase_pool_parallel(pool);
  witness w = {.main = pthread_self(), .workers = 1};
  for (int i = 0; i < 50 && w.workers > 0; i++) {
    nanosleep(&(struct timespec){0, 5000000}, NULL);
    w.workers = 0;
    parallel->run(parallel->user, 3, meet, &w);
  }
  CHECK(w.workers > 0);
  pool_free(pool);
}

static void test_fork(void) {
  rephase_pool *pool = pool_new(3);
  check_run(pool, 100);
  pid_t child = fork();
  if (child == 0) {
    rephase_pool_check_process(pool);
    CHECK(rephase_pool_threads(pool) == 1);
    for (int i = 0; i < 100; i++) check_run(pool, 100);
    rephase_pool_destroy(pool);
    _exit(failures != 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  check_run(pool, 100);
  pool_free(pool);
}

/* MARK: hash and CPU */

static void check_hash(const char *text, size_t repeats, const char *expected) {
  rephase_sha256_state state;
  uint8_t digest[32];
  char hex[65];
  rephase_sha256_begin(&state);
  for (size_t i = 0; i < repeats; i++) rephase_sha256_add(&state, text, strlen(text));
  rephase_sha256_end(&state, digest);
  for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  CHECK(strcmp(hex, expected) == 0);
}

/* The examples of FIPS 180-4 (NIST's SHA256.pdf and SHA2_Additional.pdf). */
static void test_hash(void) {
  uint8_t digest[32];
  check_hash("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check_hash("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
             "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  check_hash("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  rephase_sha256(NULL, 0, digest);
  CHECK(digest[0] == 0xe3 && digest[31] == 0x55);
}

/* The kernel's own list agrees, flag by flag, where it is readable. */
static void test_cpu(void) {
  static const char *const names[][2] = {
      {"sse3", "pni"}, {"ssse3", "ssse3"}, {"sse4.1", "sse4_1"}, {"sse4.2", "sse4_2"},
      {"popcnt", "popcnt"}, {"avx", "avx"}, {"f16c", "f16c"}, {"fma", "fma"}, {"avx2", "avx2"},
      {"bmi", "bmi1"}, {"bmi2", "bmi2"}, {"lzcnt", "abm"}, {"movbe", "movbe"},
      {"avx512f", "avx512f"}, {"avx512bw", "avx512bw"}, {"avx512cd", "avx512cd"},
      {"avx512dq", "avx512dq"}, {"avx512vl", "avx512vl"}, {"cx16", "cx16"}, {"sahf", "lahf_lm"},
      {"xsave", "xsave"}, {"pclmul", "pclmulqdq"}, {"aes", "aes"}, {"fsgsbase", "fsgsbase"},
      {"adx", "adx"}, {"sha", "sha_ni"}, {"gfni", "gfni"}, {"vaes", "vaes"},
      {"vpclmulqdq", "vpclmulqdq"}, {"avxvnni", "avx_vnni"}, {"avx512ifma", "avx512ifma"},
      {"avx512vbmi", "avx512vbmi"}, {"avx512vbmi2", "avx512_vbmi2"},
      {"avx512vnni", "avx512_vnni"}, {"avx512bitalg", "avx512_bitalg"},
      {"avx512vpopcntdq", "avx512_vpopcntdq"}, {"avx512bf16", "avx512_bf16"},
      {"avx512fp16", "avx512_fp16"}};
  static char line[16384];
  FILE *file = fopen("/proc/cpuinfo", "r");
  uint64_t features = rephase_cpu_features();
  CHECK(sizeof names / sizeof *names == REPHASE_CPU_COUNT);
  CHECK(rephase_cpu_feature_bit("no such") == 0);
  CHECK(rephase_cpu_feature_name(REPHASE_CPU_COUNT) == NULL);
  while (file && fgets(line, sizeof line, file) && strncmp(line, "flags", 5) != 0) continue;
  if (file) fclose(file);
  for (uint32_t i = 0; i < REPHASE_CPU_COUNT; i++) {
    char word[32];
    uint64_t bit = rephase_cpu_feature_bit(names[i][0]);
    CHECK(bit == (uint64_t)1 << i);
    CHECK(strcmp(rephase_cpu_feature_name(i), names[i][0]) == 0);
    snprintf(word, sizeof word, " %s ", names[i][1]);
    line[strcspn(line, "\n")] = ' ';
    int listed = strstr(line, word) != NULL;
#ifdef VIRTUAL_CPU
    (void)listed; /* Valgrind shows a CPU of its own. */
#else
    if (listed != !!(features & bit)) fprintf(stderr, "%s\n", names[i][0]);
    CHECK(listed == !!(features & bit));
#endif
  }
  (void)features;
}

/* MARK: the cost of a run, for people to read */

static void empty(void *argument, int64_t begin, int64_t end) {
  (void)argument, (void)begin, (void)end;
}

static void print_cost(void) {
  rephase_pool *pool = pool_new(2);
  const rephase_parallel *parallel = rephase_pool_parallel(pool);
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < 20000; i++) parallel->run(parallel->user, 2, empty, NULL);
  clock_gettime(CLOCK_MONOTONIC, &to);
  double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
  printf("pool: an empty run on 2 threads takes %.2f us\n", seconds / 20000 * 1e6);
  pool_free(pool);
}

int main(void) {
  test_cover();
  test_gaps();
  test_nested();
  test_many_pools();
  test_refused_threads();
  test_signals();
  test_wake();
  test_fork();
  test_hash();
  test_cpu();
  print_cost();
  return failures != 0;
}
