/* Trees of processes that wait for ever, numbered in the order of their making. Without an argument: a process of three threads
 * with a child of three threads, in a session of its own. "job": the same in the caller's session and group. "member": the
 * same, as the child of one that leads a group and ends after it. "wide": what
 * else there is of groups and sessions, as said below. The first process is called "whole" when all are there. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void *sleeper(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static int done[2];

/* To be said by a child when all is made that it makes. */
static void made(void)
{
    (void)!write(done[1], "", 1);
}

static void await(void)
{
    char byte;
    (void)!read(done[0], &byte, 1);
}

static void wide(void)
{
    pthread_t thread;
    pid_t leader;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pthread_create(&thread, NULL, sleeper, NULL);
    /* A group of two (2, 3). */
    if (fork() == 0) {
        setpgid(0, 0);
        if (fork() != 0)
            made();
        sleeper(NULL);
    }
    await();
    /* A group (4) whose leader is gone, of one (5). */
    leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        made();
        sleeper(NULL);
    }
    await();
    if (fork() == 0) {
        setpgid(0, leader);
        made();
        sleeper(NULL);
    }
    await();
    kill(leader, SIGKILL);
    waitpid(leader, NULL, 0);
    /* A session (6) with an orphan (8) that the first process was given. */
    if (fork() == 0) {
        setsid();
        leader = fork();
        if (leader == 0) {
            if (fork() == 0)
                sleeper(NULL);
            _exit(0);
        }
        waitpid(leader, NULL, 0);
        made();
        sleeper(NULL);
    }
    await();
    /* A session (9) whose leader is gone, of one (10). */
    leader = fork();
    if (leader == 0) {
        setsid();
        if (fork() == 0)
            sleeper(NULL);
        _exit(0);
    }
    waitpid(leader, NULL, 0);
}

static void plain(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleeper, NULL);
    pthread_create(&thread, NULL, sleeper, NULL);
    if (fork() == 0) {
        pthread_create(&thread, NULL, sleeper, NULL);
        pthread_create(&thread, NULL, sleeper, NULL);
        made();
        sleeper(NULL);
    }
    await();
}

int main(int count, char **arguments)
{
    const char *kind = count > 1 ? arguments[1] : "";
    (void)!pipe(done);
    if (strcmp(kind, "member") == 0) {
        setpgid(0, 0);
        if (fork() != 0) {
            wait(NULL);
            return 0;
        }
    } else if (strcmp(kind, "job") != 0) {
        setsid();
    }
    if (strcmp(kind, "wide") == 0)
        wide();
    else
        plain();
    close(done[0]);
    close(done[1]);
    prctl(PR_SET_NAME, "whole");
    sleeper(NULL);
}
