/*
 * The limit that nslp's spawning is measured against: clone3 with set_tid, execve and waitpid from C.
 *
 *     cc -O2 -o clone_exec bench/clone_exec.c
 *     clone_exec COUNT [COMMAND]
 *
 * starts COMMAND (default /bin/true) COUNT times, one after the other, each with a PID of its own choice from 1000 on,
 * and prints how many a second. Needs CAP_CHECKPOINT_RESTORE.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 2000;
    char *command[] = { argc > 2 ? argv[2] : "/bin/true", NULL };
    struct timespec a, b;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < count; i++) {
        pid_t wanted = 1000 + (pid_t)(i % 20000);
        uint64_t args[10] = { [4] = SIGCHLD, [8] = (uintptr_t)&wanted, [9] = 1 };
        long pid = syscall(SYS_clone3, args, sizeof args);
        if (pid == 0) {
            execve(command[0], command, environ);
            _exit(127);
        }
        int status;
        if (pid != wanted || waitpid((pid_t)pid, &status, 0) != pid || status != 0) {
            perror("clone_exec");
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.0f\n", count / ((b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9));
    return 0;
}
