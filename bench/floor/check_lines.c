/* Whether the files, one after the other, hold all lines that service.c wrote, each once and in order.
 *
 *   check_lines FILE...        prints the number of bytes, exit 0; or what is wrong, exit 1
 */
#include "floor.h"

int main(int argc, char **argv)
{
    static char line[64];
    size_t filled = 0;
    unsigned long long next = 0, bytes = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        size_t n;
        if (!file)
            die(argv[i]);
        while ((n = fread(line + filled, 1, sizeof line - filled, file)) > 0) {
            bytes += n;
            filled += n;
            if (filled < sizeof line)
                continue;
            filled = 0;
            char number[17] = "";
            memcpy(number, line, 16);
            if (strtoull(number, NULL, 16) != next || line[16] != '.' || line[62] != '.' || line[63] != '\n') {
                printf("%s: where line %llu should be: %.63s\n", argv[i], next, line);
                return 1;
            }
            next++;
        }
        fclose(file);
    }
    if (filled) {
        printf("%zu bytes of a line at the end\n", filled);
        return 1;
    }
    printf("%llu\n", bytes);
    return 0;
}
