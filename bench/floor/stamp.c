/* The child of the latency sections: its first act is to read the clock.
 *
 *   stamp FIFO [exit|wait]     "<monotonic ns> <pid>\n" goes to FIFO; with `wait` it then sends READY=1 to
 *                              NOTIFY_SOCKET, when there is one, and lives until TERM (by default it exits)
 *   stamp - [exit|wait]        no record: just exit, or live until TERM
 *   stamp - hold               live until TERM, or until the parent has gone
 *
 * Build it static: no dynamic loader between exec and main().
 */
#include "floor.h"
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static void ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof to.sun_path)
        return;
    strcpy(to.sun_path, path);
    if (path[0] == '@')
        to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    close(fd);
}

int main(int argc, char **argv)
{
    uint64_t at = now_ns();
    if (argc < 2)
        return 2;
    if (strcmp(argv[1], "-") != 0) {
        char line[64];
        int fd = open(argv[1], O_WRONLY | O_CLOEXEC);
        int n = snprintf(line, sizeof line, "%llu %d\n", (unsigned long long)at, (int)getpid());
        if (fd < 0 || write(fd, line, (size_t)n) != n)
            return 1;
        close(fd);
    }
    if (argc > 2 && strcmp(argv[2], "exit") != 0) {
        if (strcmp(argv[2], "hold") == 0)
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        else
            ready();
        for (;;)
            pause();
    }
    return 0;
}
