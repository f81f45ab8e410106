/*
 * Takes PIDs as fast as it can and says whether any is of a range: cc -O2 -pthread -o storm bench/storm.c
 *
 *     storm FIRST-LAST SECONDS FAILING REAL
 *
 * FAILING threads clone with a cgroup that is none, which takes a PID and gives it back (bench/cycle.c), and read last_pid
 * after each; REAL threads make threads that exit at once, and know their numbers. Prints one line: PIDs taken by the first
 * and by the second, how often last_pid was seen in the range below LAST (at LAST it may have been written), how many of the
 * second got a number of it, and how often last_pid was seen to have come back to a lower number.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHARED ((uint64_t)CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static int first, last, file;
static atomic_int stop;
static atomic_long failing, real, seen, given, laps;

static void *fail(void *unused)
{
    uint64_t args[11] = { SHARED | 0x200000000ULL };
    long count = 0, inside = 0, back = 0;
    int before = 0;
    (void)unused;
    args[10] = 0x7fffffff;
    while (!stop) {
        char text[16] = "";
        syscall(SYS_clone3, args, sizeof args);
        count++;
        if (pread(file, text, sizeof text - 1, 0) <= 0)
            exit(1);
        int now = atoi(text);
        inside += now >= first && now < last;
        back += now < before;
        before = now;
    }
    failing += count;
    seen += inside;
    laps += back;
    return unused;
}

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void *make(void *unused)
{
    char *stack = malloc(16384);
    long count = 0, inside = 0;
    while (!stop) {
        int pid = clone(nothing, stack + 16384, (int)SHARED | CLONE_VFORK, NULL);
        if (pid < 0)
            continue;
        count++;
        inside += pid >= first && pid <= last;
    }
    real += count;
    given += inside;
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[64];
    int count = 0;
    if (argc != 5 || sscanf(argv[1], "%d-%d", &first, &last) != 2 || atoi(argv[3]) + atoi(argv[4]) > 64)
        return 2;
    file = open("/proc/sys/kernel/ns_last_pid", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < atoi(argv[3]); i++)
        pthread_create(&threads[count++], NULL, fail, NULL);
    for (int i = 0; i < atoi(argv[4]); i++)
        pthread_create(&threads[count++], NULL, make, NULL);
    sleep((unsigned)atoi(argv[2]));
    stop = 1;
    while (count > 0)
        pthread_join(threads[--count], NULL);
    printf("%ld %ld %ld %ld %ld\n", failing, real, seen, given, laps);
    return 0;
}
