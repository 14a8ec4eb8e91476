/* The HUP floor: a manager that does nothing but wait for HUP, fork, exec, and reap. What a HUP costs beyond
 * fork_exec is the kernel waking a sleeping process; no manager can be faster.
 *
 *   hup_spawn COMMAND [ARG...]      ends at TERM
 */
#include "floor.h"

int main(int argc, char **argv)
{
    sigset_t set;
    if (argc < 2)
        return 2;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    dprintf(1, "waiting\n");
    for (;;) {
        int number;
        sigwait(&set, &number);
        if (number == SIGTERM)
            return 0;
        if (number == SIGHUP)
            fork_exec(argv + 1);
        else
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
    }
}
