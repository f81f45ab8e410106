/* A process of three threads with a child of three threads, in a session of its own. They wait for ever. */
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

static void *sleeper(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_t thread;
    setsid();
    pthread_create(&thread, NULL, sleeper, NULL);
    pthread_create(&thread, NULL, sleeper, NULL);
    if (fork() == 0) {
        pthread_create(&thread, NULL, sleeper, NULL);
        pthread_create(&thread, NULL, sleeper, NULL);
    }
    sleeper(NULL);
}
