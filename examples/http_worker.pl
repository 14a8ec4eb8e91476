#!/usr/bin/env perl
# A worker to copy: an HTTP/1.1 server (GET only) that starts and leaves without losing a request.
#   start_server --port=127.0.0.1:8080 -- perl examples/http_worker.pl
use strict;
use warnings;
use Errno qw(EAGAIN EINTR);
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);

my $idle_limit = 5;    # seconds an idle keep-alive connection is kept after TERM
my $body = sprintf "generation %s pid %d\n", $ENV{SERVER_STARTER_GENERATION} // '-', $$;

# The socket that the manager bound: start_server's `name=fd;name=fd`, or systemd's from 3 on.
my ($fd) = ($ENV{SERVER_STARTER_PORT} // '') =~ /\A[^;]*=(\d+)/;
$fd //= 3 if $ENV{LISTEN_FDS} && ($ENV{LISTEN_PID} // $$) == $$;
die "http_worker.pl: no listening socket was passed: run it under start_server --port=...\n" unless defined $fd;
my $listener = IO::Socket::INET->new_from_fd($fd, 'r+') or die "http_worker.pl: descriptor $fd: $!\n";
$listener->blocking(0);

# A signal becomes a byte in a pipe: one that comes just before select() still ends it.
pipe my $signal_r, my $signal_w or die "pipe: $!";
$signal_w->blocking(0);
$SIG{TERM} = $SIG{INT} = sub { syswrite $signal_w, 'x' };
$SIG{PIPE} = 'IGNORE';
if (my $path = $ENV{NOTIFY_SOCKET}) {    # requests are served from now on: the manager need not guess by time
    $path =~ s/\A@/\0/;
    IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path)->send('READY=1');
}

my ($select, %input, $until) = (IO::Select->new($listener, $signal_r));
while (!$until || %input) {
    my @ready = $select->can_read($until ? $idle_limit : undef);
    last if $until && !@ready && time >= $until;
    for my $sock (@ready) {
        if ($sock == $signal_r) {
            $until = time + $idle_limit;    # the manager holds the listener too: nobody is refused
            $select->remove($listener, $signal_r);
        } elsif ($sock == $listener) {
            my $conn = $until ? undef : $listener->accept or next;
            $select->add($conn);
            $input{fileno $conn} = '';
        } else {
            my $fd = fileno $sock;
            my $n = sysread $sock, $input{$fd}, 65536, length $input{$fd};
            next if !defined $n && ($! == EAGAIN || $! == EINTR);
            my $close = !$n;
            while (!$close && $input{$fd} =~ s/\A(.*?)\r\n\r\n//s) {
                my $head = $1;
                $close = $until || $head =~ /^Connection:\s*close\s*$/mi || $head !~ m{\A\S+ \S+ HTTP/1\.1};
                my $kind = $close ? 'close' : 'keep-alive';
                my $answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($body) . "\r\nConnection: $kind\r\n\r\n$body";
                syswrite $sock, $answer or $close = 1;
            }
            $select->remove($sock), delete $input{$fd}, close $sock if $close;
        }
    }
}
