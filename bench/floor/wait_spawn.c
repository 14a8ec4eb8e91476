/* The supervisor floor: LIVING children that sleep, then ROUNDS times spawn one that exits at once and reap it,
 * then kill all that live and reap them. One line of JSON.
 *
 *   wait_spawn fork|vfork|posix_spawn any|pid LIVING ROUNDS STAMP
 *
 * `any` reaps by waitpid(-1), as most supervisors do: the kernel walks the list of the living. `pid` waits for
 * the one pid, which is cheap but can serve one child only. With fork, spawn returns before exec; with vfork
 * and posix_spawn after it.
 */
#include "floor.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double median_us(uint64_t *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return (double)values[n / 2] / 1000.0;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    pid_t (*spawn)(char **) = strcmp(argv[1], "fork") == 0 ? fork_exec : strcmp(argv[1], "vfork") == 0 ? vfork_exec : posix_spawn_exec;
    int any = strcmp(argv[2], "any") == 0;
    size_t living = strtoul(argv[3], NULL, 10), rounds = strtoul(argv[4], NULL, 10);
    char *sleeper[] = {argv[5], "-", "hold", NULL}, *mayfly[] = {argv[5], "-", "exit", NULL};
    pid_t *pids = calloc(living + 1, sizeof *pids);
    uint64_t *spawned = calloc(rounds + 1, sizeof *spawned), *reaped = calloc(rounds + 1, sizeof *reaped);
    if (!pids || !spawned || !reaped || rounds == 0)
        return 2;

    uint64_t t0 = now_ns();
    for (size_t i = 0; i < living; i++)
        pids[i] = spawn(sleeper);
    uint64_t t1 = now_ns();
    double fill = living ? (double)(t1 - t0) / 1000.0 / (double)living : 0;
    usleep(100000 + (useconds_t)living * 100); /* the last ones get to pause() */

    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < rounds; i++) {
        uint64_t start = now_ns();
        pid_t pid = spawn(mayfly);
        spawned[i] = now_ns() - start;
        for (pid_t got = 0; got != pid;)
            if ((got = waitpid(any ? -1 : pid, NULL, 0)) < 0 && errno != EINTR)
                die("waitpid");
        reaped[i] = now_ns() - start;
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;

    t0 = now_ns();
    for (size_t i = 0; i < living; i++)
        kill(pids[i], SIGKILL);
    for (size_t i = 0; i < living; i++)
        while (waitpid(any ? -1 : pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    t1 = now_ns();
    printf("{\"living\": %zu, \"rounds\": %zu, \"fill_us\": %.1f, \"spawn_us\": %.1f, \"reaped_us\": %.1f, \"cpu_us\": %.1f, \"all_die_us\": %.1f}\n",
           living, rounds, fill, median_us(spawned, rounds), median_us(reaped, rounds), (double)cpu / 1000.0 / (double)rounds,
           living ? (double)(t1 - t0) / 1000.0 / (double)living : 0);
    return 0;
}
