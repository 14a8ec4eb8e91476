/* The program that the supervisors of the supervise sections keep running; its first act is to read the clock. The
 * environment says what it is to do, because daemontools, runit and s6 start ./run without arguments.
 *
 *   STAMP_TO     "<monotonic ns> <pid>\n" is appended to this file or FIFO
 *   STAMP_THEN   wait           live until TERM (also when unset)
 *                slow           leave a second after TERM
 *                write:BYTES    at USR1 write so many bytes to stdout, numbered lines of 64 bytes in pieces of 64 KiB,
 *                               then live until TERM
 *
 * Build it static: no dynamic loader between exec and main().
 */
#include "floor.h"

enum { LINE = 64, PIECE = 65536 };

static void leave_slowly(int number)
{
    struct timespec second = {.tv_sec = 1};
    (void)number;
    while (nanosleep(&second, &second) < 0 && errno == EINTR)
        ;
    _exit(0);
}

static void write_lines(unsigned long long bytes)
{
    static char piece[PIECE];
    static const char hex[] = "0123456789abcdef";
    unsigned long long line = 0;
    for (size_t at = 0; at < PIECE; at += LINE) {
        memset(piece + at, '.', LINE - 1);
        piece[at + LINE - 1] = '\n';
    }
    while (bytes > 0) {
        size_t size = bytes < PIECE ? (size_t)bytes : PIECE, done = 0;
        for (size_t at = 0; at < size; at += LINE, line++)
            for (int digit = 0; digit < 16; digit++)
                piece[at + (size_t)digit] = hex[line >> (60 - 4 * digit) & 15];
        while (done < size) {
            ssize_t n = write(1, piece + done, size - done);
            if (n < 0 && errno != EINTR)
                die("write");
            done += n > 0 ? (size_t)n : 0;
        }
        bytes -= size;
    }
}

int main(void)
{
    uint64_t at = now_ns();
    const char *to = getenv("STAMP_TO"), *then = getenv("STAMP_THEN");
    sigset_t told;
    sigemptyset(&told);
    sigaddset(&told, SIGUSR1);
    if (then && strcmp(then, "slow") == 0)
        signal(SIGTERM, leave_slowly);
    if (then && strncmp(then, "write:", 6) == 0)
        sigprocmask(SIG_BLOCK, &told, NULL);
    if (to) {
        char line[64];
        int fd = open(to, O_WRONLY | O_APPEND | O_CLOEXEC);
        int n = snprintf(line, sizeof line, "%llu %d\n", (unsigned long long)at, (int)getpid());
        if (fd < 0 || write(fd, line, (size_t)n) != n)
            return 1;
        close(fd);
    }
    if (then && strncmp(then, "write:", 6) == 0) {
        int number;
        sigwait(&told, &number);
        write_lines(strtoull(then + 6, NULL, 10));
    }
    for (;;)
        pause();
}
