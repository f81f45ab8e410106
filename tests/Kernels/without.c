/*
 * Runs a command on a kernel that lacks something.
 *
 *     without clone3|pidfd|set_tid COMMAND [ARGUMENT...]
 *
 * clone3     clone3 answers ENOSYS, as before Linux 5.3 and under the seccomp profiles of older container runtimes
 * pidfd      clone and clone3 refuse CLONE_PIDFD with EPERM
 * set_tid    clone3 takes nothing beyond the first 64 bytes of its arguments, neither set_tid nor cgroup, as before 5.5
 *
 * What clone3 is asked for lies in memory, where a seccomp filter cannot look: it asks this program, which can.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define KNOWN 64 /* CLONE_ARGS_SIZE_VER0 */

enum lack { CLONE3, PIDFD, SET_TID };

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(125);
}

/* Gives the descriptor to answer by, -1 if there is nothing to answer: a process can have one only. */
static int install(enum lack lack)
{
    unsigned flags = lack == CLONE3 ? 0 : SECCOMP_FILTER_FLAG_NEW_LISTENER;
    unsigned clone_answer = lack == PIDFD ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW;
    unsigned clone3_answer = lack == CLONE3 ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_USER_NOTIF;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_PIDFD, 2, 1),
        BPF_STMT(BPF_RET | BPF_K, clone3_answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, clone_answer),
    };
    struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        die("no_new_privs");
    int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (fd < 0)
        die("seccomp");
    return lack == CLONE3 ? -1 : fd;
}

/* 0 to let the clone3 pass. */
static int refusal(enum lack lack, pid_t pid, unsigned long args, unsigned long size)
{
    union {
        unsigned long flags;
        unsigned char bytes[4096];
    } given = { .flags = 0 };
    struct iovec here = { &given, size < sizeof(given) ? size : sizeof(given) };
    struct iovec there = { (void *)args, here.iov_len };
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)here.iov_len)
        return 0;
    if (lack == PIDFD)
        return given.flags & CLONE_PIDFD ? EPERM : 0;
    for (size_t i = KNOWN; i < here.iov_len; i++)
        if (given.bytes[i] != 0)
            return E2BIG;
    return 0;
}

/* Answers until the child has ended. On older kernels a zombie keeps its filter, so
   that the listener does not tell. */
static int answer(enum lack lack, int listener, pid_t child)
{
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct pollfd wait = { listener, POLLIN, 0 };
        if (poll(&wait, 1, 20) <= 0 || (wait.revents & POLLIN) == 0)
            continue;
        struct seccomp_notif asked;
        memset(&asked, 0, sizeof(asked));
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
            continue; /* It was killed meanwhile. */
        int error = refusal(lack, asked.pid, asked.data.args[0], asked.data.args[1]);
        struct seccomp_notif_resp response = {
            asked.id, 0, -error, error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0,
        };
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    static const char *names[] = { "clone3", "pidfd", "set_tid" };
    int lack = 0;
    while (lack < 3 && (argc < 3 || strcmp(argv[1], names[lack]) != 0))
        lack++;
    if (lack == 3) {
        fprintf(stderr, "usage: without clone3|pidfd|set_tid COMMAND [ARGUMENT...]\n");
        return 125;
    }

    /* The child's descriptors are this process's too until it executes the command, which closes the listener there. */
    volatile int *listener = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (listener == MAP_FAILED)
        die("mmap");
    pid_t child = syscall(SYS_clone, CLONE_FILES | CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child < 0)
        die("clone");
    if (child == 0) {
        *listener = install(lack);
        execvp(argv[2], argv + 2);
        die(argv[2]);
    }

    return answer(lack, *listener, child);
}
