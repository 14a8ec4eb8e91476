/* The least that a server of the control protocol can do: take a connection on a unix socket, read a request to its end,
 * write so many bytes, again and again. It understands nothing but Content-Length.
 *
 *   answer PATH BYTES
 */
#include "floor.h"
#include <sys/socket.h>
#include <sys/un.h>

/* whether a whole request has come; how long it is */
static size_t whole(char *buffer, size_t length)
{
    buffer[length] = 0;
    char *end = strstr(buffer, "\r\n\r\n");
    if (!end)
        return 0;
    char *header = strstr(buffer, "Content-Length: ");
    size_t size = (size_t)(end - buffer) + 4 + (header ? strtoul(header + 16, NULL, 10) : 0);
    return length >= size ? size : 0;
}

static void serve(int client, const char *answer, size_t size)
{
    static char buffer[65536];
    size_t length = 0;
    for (;;) {
        ssize_t n = read(client, buffer + length, sizeof buffer - 1 - length);
        if (n <= 0)
            return;
        length += (size_t)n;
        if (!whole(buffer, length))
            continue;
        length = 0;
        for (size_t done = 0; done < size;) {
            n = write(client, answer + done, size - done);
            if (n < 0 && errno != EINTR)
                return;
            done += n > 0 ? (size_t)n : 0;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t body = strtoul(argv[2], NULL, 10);
    char *answer = malloc(body + 256);
    size_t head = (size_t)sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n", body);
    memset(answer + head, 'x', body);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    signal(SIGPIPE, SIG_IGN);
    if (door < 0 || bind(door, (struct sockaddr *)&at, sizeof at) < 0 || listen(door, 16) < 0)
        die("listen");
    for (;;) {
        int client = accept(door, NULL, NULL);
        if (client < 0)
            continue;
        serve(client, answer, head + body);
        close(client);
    }
}
