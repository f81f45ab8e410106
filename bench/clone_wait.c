/* The bare rate of clone + exit + wait4 that nslp's zygote is measured against: cc -O2 -o clone_wait clone_wait.c
   Prints pairs a second for N pairs (argument 1, default 20000); legacy clone with exit signal 0, as the zygote's. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 20000;
    struct timespec a, b;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < n; i++) {
        long pid = syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
        if (pid == 0)
            syscall(SYS_exit_group, 0L);
        if (pid < 0 || syscall(SYS_wait4, pid, NULL, __WALL, NULL) != pid) {
            perror("clone_wait");
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.0f\n", n / ((b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9));
    return 0;
}
