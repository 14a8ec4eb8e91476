/* The launch floor: for each byte on stdin, read the clock, fork and exec the command, answer "<ns> <pid>\n",
 * wait for its end, answer "end <wait status>\n". Whatever is launched (the bare child, or a manager that starts it), this program starts it,
 * so that only what is launched differs.
 *
 *   fork_exec COMMAND [ARG...]
 */
#include "floor.h"

int main(int argc, char **argv)
{
    char byte;
    if (argc < 2)
        return 2;
    while (read(0, &byte, 1) == 1) {
        uint64_t at = now_ns();
        pid_t pid = fork_exec(argv + 1);
        dprintf(1, "%llu %d\n", (unsigned long long)at, (int)pid);
        int status;
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                die("waitpid");
        dprintf(1, "end %d\n", status);
    }
    return 0;
}
