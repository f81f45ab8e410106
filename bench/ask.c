/*
 * A client of nslp's server, written from the protocol alone.
 *
 *     cc -O2 -o ask bench/ask.c
 *     ask SOCKET time COUNT STEP     COUNT requests, each for the PID that is STEP beyond the last one
 *     ask SOCKET fork COUNT STEP     the same, each followed by a fork whose PID is checked
 *     ask SOCKET flood SECONDS       sends all the time and reads no answer
 *
 * `time` and `fork` print one line: requests, how many were not done, how many forks got another PID, seconds,
 * requests a second, and p50, p99 and the worst in microseconds from request to answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int number(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0) {
        perror(path);
        exit(1);
    }

    close(fd);
    return atoi(text);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void flood(int fd, double seconds)
{
    uint32_t pid = 400;
    long sent = 0, full = 0;
    for (double end = now() + seconds; now() < end;) {
        for (int i = 0; i < 100; i++) {
            if (send(fd, &pid, sizeof(pid), MSG_DONTWAIT) == sizeof(pid))
                sent++;
            else
                full++;
        }
    }

    printf("%ld sent, %ld found no room\n", sent, full);
}

int main(int argc, char **argv)
{
    struct sockaddr_un server = { .sun_family = AF_UNIX }, self = { .sun_family = AF_UNIX };
    int is_flood = argc == 4 && !strcmp(argv[2], "flood");
    if ((argc != 5 && !is_flood) || strlen(argv[1]) >= sizeof(server.sun_path)) {
        fprintf(stderr, "usage: ask SOCKET time|fork COUNT STEP | ask SOCKET flood SECONDS\n");
        return 2;
    }

    strcpy(server.sun_path, argv[1]);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self.sun_family)) < 0
        || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0) {
        perror(argv[1]);
        return 1;
    }

    if (is_flood) {
        flood(fd, atof(argv[3]));
        return 0;
    }

    int forks = !strcmp(argv[2], "fork"), count = atoi(argv[3]), step = atoi(argv[4]);
    int max = number("/proc/sys/kernel/pid_max");
    int pid = number("/proc/sys/kernel/ns_last_pid");
    int refused = 0, wrong = 0;
    double *took = calloc(count, sizeof(*took)), start = now();
    for (int i = 0; i < count; i++) {
        pid += step;
        while (pid >= max - 1)
            pid -= max - 1000;
        uint32_t request = pid;
        char answer = 1;
        double sent = now();
        if (send(fd, &request, sizeof(request), 0) != sizeof(request) || recv(fd, &answer, 1, 0) != 1) {
            perror("server");
            return 1;
        }

        took[i] = now() - sent;
        if (answer != 0) {
            refused++;
        } else if (forks) {
            int child = fork();
            if (child == 0)
                _exit(0);
            if (child != pid + 1)
                wrong++;
            if (child > 0)
                waitpid(child, NULL, 0);
        }
    }

    double seconds = now() - start;
    qsort(took, count, sizeof(*took), compare);
    printf("%d %d %d %.6f %.0f %.1f %.1f %.1f\n", count, refused, wrong, seconds, count / seconds,
           took[count / 2] * 1e6, took[(int)(count * 0.99)] * 1e6, took[count - 1] * 1e6);
    return refused != 0 || wrong != 0;
}
