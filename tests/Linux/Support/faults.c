/* Lets one system call of nslp fail: cc -O2 -o faults faults.c (x86-64)
   faults LOG SECONDS FAULT SOCKET COMMAND [ARGUMENT...]

   FAULT is - for none, or TASK:CALL:COUNT:ERRNO: the COUNTth system call number CALL of TASK is not made and fails with
   ERRNO. TASK is m for nslp's own process, M for that of the program it starts anew in its place, and 1, 2, ... for
   the processes that it makes, by age. SOCKET is - or where nslp serves: a client then asks there for 4242 and ends
   nslp by SIGTERM.

   The system calls that count are those that nslp's own code makes: in its process those of which the nearest return
   address lies in managed code, as the runtime's all come from elsewhere. In its children all calls until
   execve.

   To LOG go, a line each: TASK:CALL:COUNT for each call, "hit" for the one that failed, "answer N" of the server, "left N"
   for processes that are still there three seconds after nslp ended, "hang" when it had to be killed after SECONDS.
   Exits with nslp's status, or 128 and the signal. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TASKS = 4096, CALLS = 512, MAPPINGS = 4096, ROLES = 64, PATIENCE = 3 /* seconds */ };

struct task {
    pid_t tid, process;
    int role;       /* index into names; -1 for another program's */
    int fails;      /* errno to return at exit */
};

static struct task tasks[TASKS];
static int n_tasks;
static int counts[ROLES][CALLS];
static int n_roles = 2; /* 0 is m, 1 is M */
static FILE *log_file;
static pid_t nslp;
static char own_program[512];
static int is_again;
static int want_role = -1, want_call, want_count, want_errno;

static struct { unsigned long start, end; int is_managed; } mappings[MAPPINGS];
static int n_mappings;
/* Of the native file: the section with what was compiled from managed code. */
static unsigned long managed_start, managed_end;

static void read_sections(const char *path)
{
    FILE *file = fopen(path, "rb");
    Elf64_Ehdr header;
    Elf64_Shdr names, section;
    char name[16] = "";
    if (!file || fread(&header, sizeof header, 1, file) != 1
        || fseek(file, header.e_shoff + header.e_shstrndx * sizeof names, SEEK_SET) || fread(&names, sizeof names, 1, file) != 1)
        return;
    for (int i = 0; i < header.e_shnum && strcmp(name, "__managedcode"); i++) {
        fseek(file, header.e_shoff + i * sizeof section, SEEK_SET);
        if (fread(&section, sizeof section, 1, file) != 1)
            break;
        fseek(file, names.sh_offset + section.sh_name, SEEK_SET);
        if (fread(name, 1, sizeof name - 1, file) < 1 || strcmp(name, "__managedcode"))
            continue;
        managed_start = section.sh_addr;
        managed_end = section.sh_addr + section.sh_size;
    }
    fclose(file);
}

static void read_mappings(void)
{
    char path[64], line[1024], flags[8], name[1024];
    snprintf(path, sizeof path, "/proc/%d/maps", nslp);
    FILE *file = fopen(path, "r");
    n_mappings = 0;
    while (file && n_mappings < MAPPINGS && fgets(line, sizeof line, file)) {
        unsigned long start, end;
        name[0] = 0;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %1023s", &start, &end, flags, name) < 3 || flags[2] != 'x')
            continue;
        char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
        mappings[n_mappings].start = start;
        mappings[n_mappings].end = end;
        mappings[n_mappings++].is_managed = !name[0] || strstr(base, ".dll") || strstr(name, "memfd:");
    }
    if (file)
        fclose(file);
}

/* -1 when no code is there. */
static int is_managed_code(unsigned long address)
{
    if (address >= managed_start && address < managed_end)
        return 1;
    for (int i = 0; i < n_mappings; i++)
        if (address >= mappings[i].start && address < mappings[i].end)
            return mappings[i].is_managed;
    return -1;
}

/* Whether managed code called the function of libc that makes this call, and no other code did. */
static int is_managed(pid_t tid, unsigned long stack)
{
    unsigned long words[24];
    struct iovec local = { words, sizeof words }, remote = { (void *)stack, sizeof words };
    long got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    for (int fresh = 0; fresh < 2; fresh++) {
        for (int i = 0; i < got / 8; i++) {
            int found = is_managed_code(words[i]);
            /* Whatever lies nearer may have been mapped since. */
            if (found == 0 || (found == 1 && fresh))
                return found;
            if (found == 1)
                break;
        }
        read_mappings();
    }
    return 0;
}

static struct task *find(pid_t tid)
{
    for (int i = 0; i < n_tasks; i++)
        if (tasks[i].tid == tid)
            return &tasks[i];
    return NULL;
}

static struct task *add(pid_t tid)
{
    char path[64], line[256];
    struct task *task = find(tid);
    if (task || n_tasks == TASKS)
        return task;
    task = &tasks[n_tasks++];
    *task = (struct task){ .tid = tid, .process = tid, .role = -1 };
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    FILE *file = fopen(path, "r");
    struct task *parent = NULL;
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, "Tgid:", 5))
            task->process = atoi(line + 5);
        if (!strncmp(line, "PPid:", 5))
            parent = find(atoi(line + 5));
    }
    if (file)
        fclose(file);
    if (task->process == nslp)
        task->role = is_again;
    else if (task->process == tid && n_roles < ROLES && (!parent || parent->role >= 0))
        task->role = n_roles++;
    return task;
}

static void forget(struct task *task) { *task = tasks[--n_tasks]; }

static const char *role_name(int role)
{
    static char name[16];
    snprintf(name, sizeof name, role == 0 ? "m" : role == 1 ? "M" : "%d", role - 1);
    return name;
}

/* What nslp has open, a line each in the log, but for what it was given. */
static void tell_open(pid_t process, int is_start)
{
    static char given[1024];
    char path[64], target[256];
    for (int fd = 0; fd < (int)sizeof given; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", process, fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length >= 0 && is_start)
            given[fd] = 1;
        else if (length >= 0 && !given[fd]) {
            target[length] = 0;
            /* The runtime's, for the seed of its hashes. */
            if (strcmp(target, "/dev/urandom"))
                fprintf(log_file, "open %d %s\n", fd, target);
        }
    }
}

static void at_entry(struct task *task, const struct __ptrace_syscall_info *info)
{
    if (task->process == nslp && task->role >= 0 && !is_managed(task->tid, info->stack_pointer))
        return;
    if (task->process == nslp && info->entry.nr == SYS_exit_group)
        tell_open(nslp, 0);
    /* What a handler writes of a signal: a siginfo_t, to a pipe of its own that has room. */
    if (info->entry.nr == SYS_write && info->entry.args[2] == sizeof(siginfo_t))
        return;
    /* A wake-up cannot fail. */
    if (task->role < 0 || info->entry.nr >= CALLS || (info->entry.nr == SYS_futex && (info->entry.args[1] & 127) == 1))
        return;
    int count = ++counts[task->role][info->entry.nr];
    fprintf(log_file, "%s:%d:%d\n", role_name(task->role), (int)info->entry.nr, count);
    if (task->role == want_role && (int)info->entry.nr == want_call && count == want_count) {
        struct user_regs_struct regs;
        ptrace(PTRACE_GETREGS, task->tid, 0, &regs);
        regs.orig_rax = -1;
        ptrace(PTRACE_SETREGS, task->tid, 0, &regs);
        task->fails = want_errno;
        fprintf(log_file, "hit\n");
    }
}

static void at_exit(struct task *task)
{
    if (!task->fails)
        return;
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, task->tid, 0, &regs);
    regs.rax = -task->fails;
    ptrace(PTRACE_SETREGS, task->tid, 0, &regs);
    task->fails = 0;
}

/* Another program from now on, unless nslp starts itself anew. */
static void at_execve(struct task *task)
{
    char path[64], program[512] = "";
    snprintf(path, sizeof path, "/proc/%d/exe", task->tid);
    if (readlink(path, program, sizeof program - 1) < 0)
        program[0] = 0;
    if (task->process == nslp && !own_program[0]) {
        strcpy(own_program, program);
        tell_open(nslp, 1);
    } else if (task->process == nslp && !strcmp(own_program, program))
        is_again = task->role = 1;
    else
        task->role = -1;
}

static pid_t start(char **command)
{
    int gate[2];
    if (pipe(gate))
        exit(125);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(gate[1]);
        if (read(gate[0], &c, 1) == 1)
            execvp(command[0], command);
        _exit(127);
    }
    close(gate[0]);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
        | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, pid, 0, options) || write(gate[1], "", 1) != 1)
        exit(125);
    close(gate[1]);
    return pid;
}

static pid_t start_client(const char *path)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr own = { .sa_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 3 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bind(fd, &own, sizeof(sa_family_t));
    while (connect(fd, (struct sockaddr *)&address, sizeof address) && !kill(nslp, 0))
        usleep(20000);
    unsigned char answer = 255;
    unsigned request = 4242;
    if (send(fd, &request, sizeof request, 0) == sizeof request && recv(fd, &answer, 1, 0) == 1)
        fprintf(log_file, "answer %d\n", answer);
    else
        fprintf(log_file, "no answer\n");
    fflush(log_file);
    kill(nslp, SIGTERM);
    _exit(0);
}

static void end(pid_t child)
{
    if (child) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

static volatile sig_atomic_t is_late;

static void on_alarm(int signal)
{
    (void)signal;
    is_late = 1;
}

/* Again and again: the first one may come right before the wait that it should end. */
static void set_alarm(int seconds)
{
    struct itimerval time = { .it_value.tv_sec = seconds, .it_interval.tv_sec = PATIENCE };
    setitimer(ITIMER_REAL, &time, NULL);
}

int main(int argc, char **argv)
{
    if (argc < 6 || !(log_file = fopen(argv[1], "we")))
        return 125;
    char role[16];
    if (sscanf(argv[3], "%15[^:]:%d:%d:%d", role, &want_call, &want_count, &want_errno) == 4)
        want_role = role[0] == 'm' ? 0 : role[0] == 'M' ? 1 : atoi(role) + 1;
    setvbuf(log_file, NULL, _IOLBF, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
    read_sections(argv[5]);
    nslp = start(argv + 5);
    add(nslp);
    pid_t client = strcmp(argv[4], "-") ? start_client(argv[4]) : 0;
    set_alarm(atoi(argv[2]));
    int result = -1, has_hung = 0;
    while (n_tasks > 0) {
        if (is_late) {
            is_late = 0;
            /* Too long: nslp itself, or what it left behind. */
            if (result >= 0) {
                int left = 0;
                for (int i = 0; i < n_tasks; i++)
                    left += tasks[i].role >= 0;
                fprintf(log_file, "left %d\n", left);
                end(client);
                return result;
            }
            fprintf(log_file, "hang\n");
            if (has_hung++) {
                end(client);
                return 124;
            }
            kill(nslp, SIGKILL);
            set_alarm(PATIENCE);
            continue;
        }
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0)
            break;
        if (tid == client) {
            client = 0;
            continue;
        }
        struct task *task = WIFSTOPPED(status) ? add(tid) : find(tid);
        if (!task)
            continue;
        if (!WIFSTOPPED(status)) {
            forget(task);
            if (tid == nslp) {
                result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                set_alarm(PATIENCE);
            }
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16, deliver = 0;
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info);
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                at_entry(task, &info);
            else
                at_exit(task);
        } else if (event == PTRACE_EVENT_EXEC)
            at_execve(task);
        else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
            ptrace(PTRACE_LISTEN, tid, 0, 0);
            continue;
        } else if (!event)
            deliver = signal;
        ptrace(task->role < 0 ? PTRACE_CONT : PTRACE_SYSCALL, tid, 0, deliver);
    }
    end(client);
    return has_hung ? 124 : result;
}
