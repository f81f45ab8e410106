/*
 * The limit that nslp's server is measured against: the protocol in the fewest system calls, in C.
 *
 *     cc -O2 -o serve bench/serve.c
 *     serve SOCKET
 *
 * receives a PID of four bytes, writes it to ns_last_pid and answers one byte, until a signal ends it. It checks
 * nobody and trusts everything: for measurements only.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        fprintf(stderr, "usage: serve SOCKET\n");
        return 2;
    }

    strcpy(address.sun_path, argv[1]);
    umask(0177);
    int last_pid = open("/proc/sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (last_pid < 0 || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("serve");
        return 1;
    }

    for (;;) {
        uint32_t pid;
        struct sockaddr_un client;
        socklen_t length = sizeof(client);
        ssize_t got = recvfrom(fd, &pid, sizeof(pid), MSG_TRUNC, (struct sockaddr *)&client, &length);
        if (got < 0) {
            perror("recvfrom");
            return 1;
        }

        char text[16], answer = 1;
        if (got == sizeof(pid)) {
            int digits = snprintf(text, sizeof(text), "%d", (int)pid);
            answer = pwrite(last_pid, text, digits, 0) != digits;
        }

        sendto(fd, &answer, 1, MSG_DONTWAIT, (struct sockaddr *)&client, length);
    }
}
