/* The least that a logger can do: move what a program writes from its pipe to a file with splice(), and begin a new
 * file when one is full (LOG becomes LOG.1, that LOG.2, ... and the oldest is dropped).
 *
 *   pump LOG MAXBYTES BACKUPS COMMAND [ARG...]     TERM: passed on to the command; ends when the pipe does
 */
#include "floor.h"

static pid_t program;

static void pass_on(int number) { kill(program, number); }

static int open_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        die(path);
    return fd;
}

static void rotate(const char *path, int backups)
{
    char from[4096], to[4096];
    for (int n = backups; n > 0; n--) {
        snprintf(to, sizeof to, "%s.%d", path, n);
        snprintf(from, sizeof from, n > 1 ? "%s.%d" : "%s", path, n - 1);
        rename(from, to);
    }
}

int main(int argc, char **argv)
{
    int ends[2];
    if (argc < 5)
        return 2;
    long long most = atoll(argv[2]), size = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        die("pipe");
    int old = dup(1);
    dup2(ends[1], 1);
    program = fork_exec(argv + 4);
    dup2(old, 1);
    close(old);
    close(ends[1]);
    signal(SIGTERM, pass_on);
    int log = open_log(argv[1]);
    for (;;) {
        ssize_t n = splice(ends[0], NULL, log, NULL, 1 << 20, SPLICE_F_MOVE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("splice");
        if (n == 0)
            break;
        size += n;
        if (size >= most) {
            close(log);
            rotate(argv[1], atoi(argv[3]));
            log = open_log(argv[1]);
            size = 0;
        }
    }
    waitpid(program, NULL, 0);
    return 0;
}
