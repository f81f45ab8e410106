/* Asks nslp's server to make PID the last one: client SOCKET PID. Exit status 0 when it is. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
    struct sockaddr_un server = { .sun_family = AF_UNIX }, own = { .sun_family = AF_UNIX };
    if (argc != 3 || strlen(argv[1]) >= sizeof server.sun_path)
        return 2;
    strcpy(server.sun_path, argv[1]);

    /* An address without a path: the kernel chooses an abstract one, to which the answer comes. */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&own, offsetof(struct sockaddr_un, sun_path)) < 0
        || connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
        perror(argv[1]);
        return 1;
    }

    uint32_t pid = (uint32_t)atoi(argv[2]);
    uint8_t answer = 1;
    if (send(fd, &pid, sizeof pid, 0) != sizeof pid || recv(fd, &answer, 1, 0) != 1)
        perror(argv[1]);
    return answer;
}
