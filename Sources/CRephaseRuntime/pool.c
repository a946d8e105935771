/*
 * The pool. A run splits 0 ..< count evenly over one lane for each thread, so that a thread sees
 * the same part of an image layer after layer; a thread that has emptied its lane takes chunks from
 * the others. Iterations are independent, so the split never changes a result.
 *
 * Threads join a run of their own accord: `state` counts those inside. The caller works too, and
 * when no chunk is left it closes the run and waits only for the threads inside. A thread that
 * wakes too late finds the run closed and changes nothing.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, sched_getcpu */
#endif
#include "pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>
#include <xmmintrin.h>

/* `state` holds the number of workers inside, these two flags, and the run's number. */
#define REPHASE_INSIDE ((uint64_t)0xffff)
#define REPHASE_OPEN ((uint64_t)1 << 16)
#define REPHASE_STOP ((uint64_t)1 << 17)
#define REPHASE_EPOCH_SHIFT 32

/* Pauses before a thread sleeps: 0.1 to 0.4 ms, longer than what a host does between two images. */
#define REPHASE_SPINS 8000

/* Generated code keeps its arrays in the workspace; the rest is for the host's thread locals. */
#define REPHASE_STACK_BYTES ((size_t)1024 * 1024)

/* Round to nearest, subnormals kept, all exceptions masked: the processor's reset value. */
#define REPHASE_MXCSR 0x1f80u

typedef struct rephase_lane {
  _Alignas(64) _Atomic int64_t next; /* the first iteration nobody took */
  int64_t end;
  rephase_pool *pool;
  pthread_t thread; /* lane 0 is the caller's and has none */
} rephase_lane;

struct rephase_pool {
  _Alignas(64) _Atomic uint64_t state;
  _Atomic uint32_t sleeping; /* workers that wait for `wake` or are about to */
  atomic_bool waiting;       /* the caller waits for `done` or is about to */
  atomic_bool running;       /* a run is in progress */
  uint32_t threads;
  uint32_t spins;
  pid_t process;
  pthread_mutex_t mutex;
  pthread_cond_t wake, done;
  rephase_parallel parallel;
  /* The run in progress; read by workers inside it only. */
  rephase_body body;
  void *argument;
  int64_t chunk;
  int core; /* where the caller began the run; -1 where the system does not say */
  rephase_lane lanes[REPHASE_MAX_THREADS];
};

REPHASE_LOCAL uint32_t rephase_available_cores(void) {
  cpu_set_t set;
  long cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (long)CPU_COUNT(&set)
                                                           : sysconf(_SC_NPROCESSORS_ONLN);
  return cores < 1 ? 1 : cores > INT_MAX ? INT_MAX : (uint32_t)cores;
}

/* Takes chunks until none is left, first from the thread's own lane. */
static void rephase_pool_work(rephase_pool *pool, uint32_t own) {
  int64_t chunk = pool->chunk;
  for (uint32_t i = 0; i < pool->threads; i++) {
    rephase_lane *lane = &pool->lanes[(own + i) % pool->threads];
    for (;;) {
      int64_t begin = atomic_fetch_add(&lane->next, chunk);
      if (begin >= lane->end) break;
      pool->body(pool->argument, begin, lane->end - begin < chunk ? lane->end : begin + chunk);
    }
  }
}

/* True when there is something to do for a worker whose last run was `seen`. */
static bool rephase_pool_ready(uint64_t state, uint32_t seen) {
  return (state & REPHASE_STOP) ||
         ((state & REPHASE_OPEN) && (uint32_t)(state >> REPHASE_EPOCH_SHIFT) != seen);
}

/*
 * Moves a worker off the caller's core. Systems wake a thread where its waker runs and may leave
 * both there for milliseconds. The worker may run on all its cores again afterwards.
 */
static void rephase_pool_leave(int core) {
  cpu_set_t before, others;
  if (core < 0 || sched_getcpu() != core) return;
  if (sched_getaffinity(0, sizeof before, &before) != 0) return;
  others = before;
  CPU_CLR((size_t)core, &others);
  if (CPU_COUNT(&others) == 0) return;
  if (sched_setaffinity(0, sizeof others, &others) == 0)
    sched_setaffinity(0, sizeof before, &before);
}

/* Waits for a run other than `seen`, and enters it; false when the pool ends. */
static bool rephase_pool_join(rephase_pool *pool, uint32_t *seen) {
  uint32_t spins = pool->spins;
  bool slept = false;
  for (;;) {
    uint64_t state = atomic_load(&pool->state);
    if (state & REPHASE_STOP) return false;
    if (rephase_pool_ready(state, *seen)) {
      if (!atomic_compare_exchange_weak(&pool->state, &state, state + 1)) continue;
      *seen = (uint32_t)(state >> REPHASE_EPOCH_SHIFT);
      if (slept && pool->spins > 0) rephase_pool_leave(pool->core);
      return true;
    }
    if (spins > 0) {
      spins--;
      _mm_pause();
      continue;
    }
    /* `sleeping` goes up before `state` is looked at; a run does it the other way round. */
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleeping, 1);
    while (!rephase_pool_ready(atomic_load(&pool->state), *seen))
      pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
    slept = true;
  }
}

static void *rephase_pool_worker(void *argument) {
  rephase_lane *lane = argument;
  rephase_pool *pool = lane->pool;
  uint32_t own = (uint32_t)(lane - pool->lanes), seen = 0;
  _mm_setcsr(REPHASE_MXCSR);
  while (rephase_pool_join(pool, &seen)) {
    rephase_pool_work(pool, own);
    uint64_t left = atomic_fetch_sub(&pool->state, 1) - 1;
    if (!(left & REPHASE_OPEN) && !(left & REPHASE_INSIDE) && atomic_load(&pool->waiting)) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
  return NULL;
}

/* Wakes the workers that sleep; called after `state` has changed. */
static void rephase_pool_wake(rephase_pool *pool) {
  if (atomic_load(&pool->sleeping) == 0) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

/* Closes the run and waits for the workers inside it. */
static void rephase_pool_finish(rephase_pool *pool) {
  uint64_t state = atomic_fetch_and(&pool->state, ~REPHASE_OPEN);
  for (uint32_t i = 0; (state & REPHASE_INSIDE) && i < pool->spins; i++) {
    _mm_pause();
    state = atomic_load(&pool->state);
  }
  if (!(state & REPHASE_INSIDE)) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->waiting, true);
  while (atomic_load(&pool->state) & REPHASE_INSIDE) pthread_cond_wait(&pool->done, &pool->mutex);
  atomic_store(&pool->waiting, false);
  pthread_mutex_unlock(&pool->mutex);
}

/* Gives lane i its share of 0 ..< count. */
static void rephase_pool_split(rephase_pool *pool, int64_t count) {
  int64_t share = count / pool->threads, rest = count % pool->threads, begin = 0;
  for (uint32_t i = 0; i < pool->threads; i++) {
    atomic_store_explicit(&pool->lanes[i].next, begin, memory_order_relaxed);
    begin += share + (i < rest);
    pool->lanes[i].end = begin;
  }
  pool->chunk = share >= 8 ? share / 4 : 1;
}

static void rephase_pool_run(void *user, int64_t count, rephase_body body, void *argument) {
  rephase_pool *pool = user;
  if (count <= 0) return;
  if (count == 1 || pool->threads == 1 || atomic_exchange(&pool->running, true)) {
    body(argument, 0, count);
    return;
  }
  rephase_pool_split(pool, count);
  pool->body = body;
  pool->argument = argument;
  pool->core = sched_getcpu();
  uint64_t epoch = (atomic_load(&pool->state) >> REPHASE_EPOCH_SHIFT) + 1;
  atomic_store(&pool->state, epoch << REPHASE_EPOCH_SHIFT | REPHASE_OPEN);
  rephase_pool_wake(pool);
  rephase_pool_work(pool, 0);
  rephase_pool_finish(pool);
  atomic_store(&pool->running, false);
}

/*
 * Starts workers 1 ..< threads; returns how many threads there are. Workers take no signals but
 * those of their own faults, which the host may want to report.
 */
static uint32_t rephase_pool_start(rephase_pool *pool, uint32_t threads) {
  pthread_attr_t attributes;
  sigset_t all, before;
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  uint32_t started = 1;
  if (threads == 1 || pthread_attr_init(&attributes) != 0) return 1;
  pthread_attr_setstacksize(&attributes, REPHASE_STACK_BYTES);
  sigfillset(&all);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (started < threads && pthread_create(&pool->lanes[started].thread, &attributes,
                                             rephase_pool_worker, &pool->lanes[started]) == 0)
    started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return started;
}

REPHASE_LOCAL rephase_pool *rephase_pool_create(void *memory, uint32_t threads) {
  rephase_pool *pool = memory;
  uint32_t cores = rephase_available_cores();
  if (threads == 0) threads = cores;
  if (threads > REPHASE_MAX_THREADS) threads = REPHASE_MAX_THREADS;
  atomic_init(&pool->state, 0);
  atomic_init(&pool->sleeping, 0);
  atomic_init(&pool->waiting, false);
  atomic_init(&pool->running, false);
  /* With more threads than cores a thread that spins only keeps another from its work. */
  pool->spins = threads <= cores ? REPHASE_SPINS : 0;
  pool->process = getpid();
  pool->parallel = (rephase_parallel){rephase_pool_run, pool};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  for (uint32_t i = 0; i < REPHASE_MAX_THREADS; i++) pool->lanes[i].pool = pool;
  /* Workers read `threads` only inside a run, after its state was published. */
  pool->threads = rephase_pool_start(pool, threads);
  return pool;
}

REPHASE_LOCAL const rephase_parallel *rephase_pool_parallel(const rephase_pool *pool) {
  return &pool->parallel;
}

REPHASE_LOCAL void rephase_call(rephase_kernels kernels, const void *const *inputs,
                                void *const *outputs, const void *constants, void *workspace,
                                const rephase_parallel *parallel) {
  unsigned before = _mm_getcsr();
  _mm_setcsr(REPHASE_MXCSR);
  kernels(inputs, outputs, constants, workspace, parallel);
  _mm_setcsr(before);
}

REPHASE_LOCAL void rephase_pool_check_process(rephase_pool *pool) {
  if (pool->process != getpid()) pool->threads = 1;
}

REPHASE_LOCAL void rephase_pool_destroy(rephase_pool *pool) {
  if (pool->process != getpid()) return;
  atomic_fetch_or(&pool->state, REPHASE_STOP);
  rephase_pool_wake(pool);
  for (uint32_t i = 1; i < pool->threads; i++) pthread_join(pool->lanes[i].thread, NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
}

#ifndef REPHASE_MODEL
size_t rephase_pool_bytes(void) { return sizeof(rephase_pool); }

uint32_t rephase_pool_threads(const rephase_pool *pool) { return pool->threads; }
#endif
