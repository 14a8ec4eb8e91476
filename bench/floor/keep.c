/* The least that a supervisor can do: fork and exec COUNT times, replace at once whatever dies, and at TERM pass it on
 * and leave when all have gone. It reads no configuration, keeps no log and knows no rule.
 *
 *   keep COUNT COMMAND [ARG...]
 */
#include "floor.h"

enum { PIDS = 4194304 };

/* which of the COUNT a pid is; only the pages of living pids are ever touched */
static uint32_t number_of[PIDS];

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    size_t count = strtoul(argv[1], NULL, 10), living = count;
    pid_t *pids = calloc(count, sizeof *pids);
    int stopping = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < count; i++) {
        pids[i] = fork_exec(argv + 2);
        number_of[pids[i]] = (uint32_t)i;
    }
    while (living > 0) {
        int number;
        sigwait(&set, &number);
        if (number == SIGTERM) {
            stopping = 1;
            for (size_t i = 0; i < count; i++)
                if (pids[i])
                    kill(pids[i], SIGTERM);
        }
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
            size_t i = number_of[pid];
            pids[i] = 0;
            if (stopping) {
                living--;
                continue;
            }
            pids[i] = fork_exec(argv + 2);
            number_of[pids[i]] = (uint32_t)i;
        }
    }
    return 0;
}
