/* The floor of the scoreboard: the stores of a worker and the loads of a reader, with nothing around them.
 *
 *   board_store state|state-noclock|text BATCHES        a worker: a state (with the clock), the same without, 240 bytes of text
 *   board_store read BATCHES SLOTS                      a reader: state, request start and text of every slot
 *
 * One line of JSON: nanoseconds per operation (read: per scan of all slots), best and median of BATCHES batches. The slots lie as
 * in docs/scoreboard-format.md, in a memfd mapped shared. Nothing is checked and no text is protected.
 */
#include "floor.h"
#include <sys/mman.h>

enum { HEADER = 4096, SLOT = 1024, TEXT = 240, TEXT_AT = 136 };
enum { STATE, BEAT, START }; /* words of a slot */

/* The compiler has to have done every store before, and to do every load again after. */
#define BARRIER() __asm__ volatile("" ::: "memory")

static volatile size_t text_length = TEXT; /* not known to the compiler, as it is not to a library */
static char texts[2][TEXT];

struct seen {
    uint64_t state, start;
    char text[TEXT];
};

static char *map(size_t slots)
{
    size_t bytes = HEADER + slots * SLOT;
    int fd = memfd_create("board_store", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        die("memfd_create");
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        die("mmap");
    close(fd);
    return base + HEADER;
}

static uint64_t coarse_ns(void) { return clock_ns(CLOCK_MONOTONIC_COARSE); }

static void states(volatile uint64_t *slot, size_t ops)
{
    for (size_t i = 0; i < ops; i++) {
        slot[BEAT] = coarse_ns();
        slot[STATE] = i & 1 ? 'W' : '_';
    }
}

static void states_noclock(volatile uint64_t *slot, size_t ops)
{
    for (size_t i = 0; i < ops; i++)
        slot[STATE] = i & 1 ? 'W' : '_';
}

static void text(char *slot, size_t ops)
{
    size_t length = text_length;
    for (size_t i = 0; i < ops; i++) {
        memcpy(slot + TEXT_AT, texts[i & 1], length);
        BARRIER();
    }
}

static void read_all(const char *slots, size_t count, struct seen *out, size_t ops)
{
    size_t length = text_length;
    for (size_t i = 0; i < ops; i++) {
        for (size_t n = 0; n < count; n++) {
            const char *slot = slots + n * SLOT;
            out[n].state = ((const volatile uint64_t *)slot)[STATE];
            out[n].start = ((const volatile uint64_t *)slot)[START];
            memcpy(out[n].text, slot + TEXT_AT, length);
        }
        BARRIER();
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int reads = strcmp(what, "read") == 0;
    size_t batches = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, slots = reads && argc > 3 ? strtoul(argv[3], NULL, 10) : 1, ops;
    if (strcmp(what, "state") == 0 || strcmp(what, "text") == 0)
        ops = 200000;
    else if (strcmp(what, "state-noclock") == 0)
        ops = 2000000;
    else if (reads && slots > 0)
        ops = 200000 / slots + 1;
    else
        return 2;
    double *each = calloc(batches, sizeof *each);
    struct seen *out = calloc(slots, sizeof *out);
    if (batches == 0 || !each || !out)
        return 2;

    char *base = map(slots);
    memset(texts[0], 'a', TEXT);
    memset(texts[1], 'b', TEXT);
    for (size_t n = 0; n < slots; n++) {
        states((volatile uint64_t *)(base + n * SLOT), 2);
        text(base + n * SLOT, 1);
    }
    for (size_t batch = 0; batch <= batches; batch++) { /* the first one warms up */
        uint64_t from = now_ns();
        if (reads)
            read_all(base, slots, out, ops);
        else if (what[0] == 't')
            text(base, ops);
        else
            (what[5] ? states_noclock : states)((volatile uint64_t *)base, ops);
        if (batch > 0)
            each[batch - 1] = (double)(now_ns() - from) / (double)ops;
    }
    if (reads && (out[slots - 1].state != 'W' || out[slots - 1].text[TEXT - 1] != 'a'))
        return 1;
    qsort(each, batches, sizeof *each, by_value);
    printf("{\"what\": \"%s\", \"slots\": %zu, \"ops\": %zu, \"best_ns\": %.3f, \"median_ns\": %.3f}\n", what, slots, ops, each[0], each[batches / 2]);
    return 0;
}
