/*
 * Clients that mean harm to nslp's server; for its tests and for bench/hostile.sh.
 *
 *     cc -O2 -o hostile bench/hostile.c
 *     hostile post CLIENT SERVER PID LENGTH...   binds to CLIENT and sends, without waiting for answers
 *     hostile deaf SERVER COUNT SOCKETS          COUNT requests, each from a new process, through SOCKETS sockets that
 *                                                nobody reads; prints a line, then holds them until it is ended
 *     hostile breathe SERVER COUNT SECONDS       sends COUNT requests, then reads all answers, again and again
 *     hostile crowd SERVER PROCESSES SECONDS LENGTH
 *                                                so many processes send all the time and read nothing
 *     hostile forge SERVER PID USER              sends one request and says that USER sent it; prints the errno
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Out of every range: no number is taken. */
static const uint32_t nonsense = 0x7fffffff;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void need(int fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1);
    }
}

/* A socket bound to a path, or to a name that the kernel chooses for "", and connected. */
static int client(const char *path, const char *server)
{
    struct sockaddr_un self = { .sun_family = AF_UNIX }, there = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_usec = 200000 };
    strncpy(self.sun_path, path, sizeof(self.sun_path) - 1);
    strncpy(there.sun_path, server, sizeof(there.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    need(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    need(!bind(fd, (struct sockaddr *)&self, *path ? sizeof(self) : sizeof(self.sun_family)), "bind");
    need(!connect(fd, (struct sockaddr *)&there, sizeof(there)), "connect");
    return fd;
}

int main(int argc, char **argv)
{
    static char bytes[65507];
    if (argc >= 6 && !strcmp(argv[1], "post")) {
        uint32_t pid = atoi(argv[4]);
        int fd = client(argv[2], argv[3]);
        memcpy(bytes, &pid, sizeof(pid));
        for (int i = 5; i < argc; i++)
            need(send(fd, bytes, atoi(argv[i]), 0) >= 0, "send");
    } else if (argc == 5 && !strcmp(argv[1], "deaf")) {
        int count = atoi(argv[3]), sockets = atoi(argv[4]), *fds = calloc(sockets, sizeof(*fds));
        struct rlimit files = { sockets + 16, sockets + 16 };
        setrlimit(RLIMIT_NOFILE, &files);
        for (int i = 0; i < sockets; i++)
            fds[i] = client("", argv[2]);
        for (int i = 0; i < count; i++) {
            if (fork() == 0)
                _exit(send(fds[i % sockets], &nonsense, sizeof(nonsense), 0) < 0);
            wait(NULL);
        }

        printf("deaf\n");
        fflush(stdout);
        pause();
    } else if (argc == 5 && !strcmp(argv[1], "breathe")) {
        int fd = client("", argv[2]), count = atoi(argv[3]);
        for (double end = now() + atof(argv[4]); now() < end;) {
            int sent = 0;
            for (int i = 0; i < count; i++)
                sent += send(fd, &nonsense, sizeof(nonsense), 0) > 0;
            while (recv(fd, bytes, 1, 0) == 1 && --sent > 0)
                ;
        }
    } else if (argc == 6 && !strcmp(argv[1], "crowd")) {
        memcpy(bytes, &nonsense, sizeof(nonsense));
        for (int i = atoi(argv[3]); i > 0; i--) {
            if (fork() == 0) {
                int fd = client("", argv[2]);
                for (double end = now() + atof(argv[4]); now() < end;)
                    send(fd, bytes, atoi(argv[5]), 0);
                _exit(0);
            }
        }

        while (wait(NULL) > 0)
            ;
    } else if (argc == 5 && !strcmp(argv[1], "forge")) {
        uint32_t pid = atoi(argv[3]);
        struct ucred lie = { getpid(), atoi(argv[4]), getgid() };
        union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(lie))]; } control = { .head = { CMSG_LEN(sizeof(lie)), SOL_SOCKET, SCM_CREDENTIALS } };
        struct iovec data = { &pid, sizeof(pid) };
        struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        memcpy(CMSG_DATA(&control.head), &lie, sizeof(lie));
        printf("%d\n", sendmsg(client("", argv[2]), &message, 0) < 0 ? errno : 0);
    } else {
        fprintf(stderr, "usage: see the top of hostile.c\n");
        return 2;
    }
}
