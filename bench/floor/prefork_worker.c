/* A prefork worker in its least form: prefork_worker FD MILLISECONDS. It answers the first part of each request at
 * once, which is how a client sees that it is being served, and the rest after that time. */
#include "floor.h"
#include <sys/socket.h>

int main(int argc, char **argv)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab";
    char request[4096];
    int listener = argc > 1 ? atoi(argv[1]) : 0;
    long milliseconds = argc > 2 ? atol(argv[2]) : 0;
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            die("accept");
        }
        if (read(client, request, sizeof request) > 0 && write(client, head, sizeof head - 1) > 0) {
            if (milliseconds)
                nanosleep(&pause, NULL);
            if (write(client, "cde", 3) != 3)
                perror("write");
        }
        close(client);
    }
}
