/*
 * The limit that nslp's cycling is measured against: the same clone calls from C.
 *
 *     cc -O2 -pthread -o cycle bench/cycle.c
 *     cycle FLAVOUR THREADS COUNT [ROUNDS]
 *
 * consumes COUNT PIDs in each of ROUNDS rounds (default 1) on THREADS threads that were made beforehand, each round in
 * a process of its own, and prints one line a round: flavour, threads, PIDs, seconds, PIDs per second, how many calls
 * failed otherwise than the flavour says. FLAVOUR is a name that `nslp bench` uses too, or 'all'.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* As nslp has it: descriptors in a full table. */
enum { CHUNK = 32, STACK = 4096, FULL = 128 };

#define SHARED ((uint64_t)CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_IO)
/* No process may write to the kernel's half. */
#define UNWRITABLE ((void *)-4096L)

struct args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

enum form { CLONE3, LEGACY, REAL };

/* The soft RLIMIT_NOFILE while it consumes: as it is, 0, or FULL with a full table for each thread. */
enum files { ANY, NONE, OWN };

static const struct flavour {
    const char *name;
    enum form form;
    uint64_t flags;
    enum files files;
    int error;
} flavours[] = {
    { "pidfd-table-thread-legacy", LEGACY, SHARED | CLONE_THREAD | CLONE_PIDFD, OWN, EMFILE },
    { "cgroup-thread", CLONE3, SHARED | CLONE_THREAD | CLONE_INTO_CGROUP, ANY, EBADF },
    { "cgroup-process", CLONE3, SHARED | CLONE_INTO_CGROUP, ANY, EBADF },
    { "pidfd-emfile-thread", CLONE3, SHARED | CLONE_THREAD | CLONE_PIDFD, NONE, EMFILE },
    { "pidfd-emfile-process", CLONE3, SHARED | CLONE_PIDFD, NONE, EMFILE },
    { "pidfd-emfile-thread-legacy", LEGACY, SHARED | CLONE_THREAD | CLONE_PIDFD, NONE, EMFILE },
    { "pidfd-emfile-process-legacy", LEGACY, SHARED | CLONE_PIDFD, NONE, EMFILE },
    { "pidfd-efault-thread", CLONE3, SHARED | CLONE_THREAD | CLONE_PIDFD, ANY, EFAULT },
    { "pidfd-efault-process", CLONE3, SHARED | CLONE_PIDFD, ANY, EFAULT },
    { "pidfd-efault-thread-legacy", LEGACY, SHARED | CLONE_THREAD | CLONE_PIDFD, ANY, EFAULT },
    { "pidfd-efault-process-legacy", LEGACY, SHARED | CLONE_PIDFD, ANY, EFAULT },
    { "exiting-thread", REAL, SHARED | CLONE_THREAD | CLONE_VFORK, ANY, 0 },
    { "exiting-process", REAL, SHARED | CLONE_VFORK, ANY, 0 },
};

static const struct flavour *flavour;
static atomic_long left, other;
static pthread_barrier_t ready, start, end;

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int call(struct args *args, char *stack)
{
    long got;
    switch (flavour->form) {
    case CLONE3:
        got = syscall(SYS_clone3, args, sizeof *args);
        return got < 0 && errno == flavour->error;
    case LEGACY:
        got = clone(nothing, stack + STACK, (int)flavour->flags, NULL, UNWRITABLE);
        return got < 0 && errno == flavour->error;
    default:
        got = clone(nothing, stack + STACK, (int)flavour->flags, NULL);
        if (got < 0)
            return 0;
        return (flavour->flags & CLONE_THREAD) || waitpid((pid_t)got, NULL, __WALL) == got;
    }
}

static void take_part(char *stack)
{
    struct args args = { .flags = flavour->flags };
    if (flavour->flags & CLONE_PIDFD)
        args.pidfd = (uint64_t)UNWRITABLE;
    if (flavour->flags & CLONE_INTO_CGROUP)
        args.cgroup = 0x7fffffff;
    for (;;) {
        long take = CHUNK, before = atomic_fetch_sub(&left, CHUNK);
        if (before < take)
            take = before;
        if (take <= 0)
            return;
        while (take-- > 0)
            if (!call(&args, stack))
                atomic_fetch_add(&other, 1);
    }
}

static void make_ready(void)
{
    if (flavour->files != OWN)
        return;
    int file = unshare(CLONE_FILES) == 0 ? eventfd(0, 0) : -1;
    for (int last = file; last < FULL - 1; last = dup(file))
        if (last < 0) {
            perror("full table");
            exit(1);
        }
}

static void *work(void *stack)
{
    make_ready();
    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&start);
    take_part(stack);
    pthread_barrier_wait(&end);
    return NULL;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int round_of(const struct flavour *f, int threads, long count)
{
    struct rlimit limit;
    flavour = f;
    atomic_store(&left, count);
    char *stacks = mmap(NULL, (size_t)threads * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stacks == MAP_FAILED)
        return 1;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    pthread_barrier_init(&ready, NULL, (unsigned)threads);
    pthread_barrier_init(&end, NULL, (unsigned)threads);
    for (int i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, stacks + (size_t)i * STACK) != 0)
            return 1;
    }
    make_ready();
    pthread_barrier_wait(&ready);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = f->files == NONE ? 0 : f->files == OWN ? FULL : limit.rlim_cur;
    setrlimit(RLIMIT_NOFILE, &limit);
    double t = now();
    pthread_barrier_wait(&start);
    take_part(stacks);
    pthread_barrier_wait(&end);
    t = now() - t;
    printf("%s %d %ld %.6f %.0f %ld\n", f->name, threads, count, t, count / t, atomic_load(&other));
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: cycle FLAVOUR|all THREADS COUNT [ROUNDS]\n");
        return 2;
    }
    int threads = atoi(argv[2]), rounds = argc > 4 ? atoi(argv[4]) : 1, known = 0, status;
    long count = atol(argv[3]);
    if (threads < 1)
        return 2;
    for (int i = 0; i < rounds; i++)
        for (size_t f = 0; f < sizeof flavours / sizeof *flavours; f++)
            if (strcmp(argv[1], "all") == 0 || strcmp(argv[1], flavours[f].name) == 0) {
                known = 1;
                pid_t round = fork();
                if (round == 0)
                    _exit(round_of(&flavours[f], threads, count));
                if (round < 0 || waitpid(round, &status, 0) < 0 || status != 0)
                    return 1;
            }
    return known ? 0 : 2;
}
