# Pools beside prefork-run: prefork_peers.pl net-server|spare-workers PORT MS MIN-SPARE MAX-SPARE MAX
# and its worker in the same language: prefork_peers.pl worker FD MS
# Each request is answered as bench/floor/prefork_worker.c does it.
use strict;
use warnings;
use IO::Socket::INET;
my ($what, $where, $ms, $min, $max, $most) = @ARGV;
$SIG{PIPE} = 'IGNORE';

sub serve {
    my $client = shift;
    sysread $client, my $request, 4096 or return;
    syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab";
    select undef, undef, undef, $ms / 1000 if $ms;
    syswrite $client, 'cde';
}

if ($what eq 'worker') {
    open my $listener, '+<&=', $where or die "descriptor $where: $!";
    while (1) {
        accept my $client, $listener or next;
        serve($client);
        close $client;
    }
} elsif ($what eq 'net-server') {
    package Pool;
    require Net::Server::PreFork;
    our @ISA = 'Net::Server::PreFork';
    sub process_request { main::serve($_[0]{server}{client}) }
    Pool->run(host => '127.0.0.1', port => $where, ipv => 4, proto => 'tcp', min_servers => $min, min_spare_servers => $min,
        max_spare_servers => $max, max_servers => $most, max_requests => 1e9, log_level => 0, listen => 1024);
} elsif ($what eq 'spare-workers') {
    require Parallel::Prefork::SpareWorkers;
    my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$where", Listen => 1024, ReuseAddr => 1) or die "port $where: $!";
    my $pool = Parallel::Prefork::SpareWorkers->new({
        min_spare_workers => $min, max_spare_workers => $max, max_workers => $most,
        trap_signals => {TERM => 'TERM', HUP => 'TERM'},
    });
    while ($pool->signal_received ne 'TERM') {
        $pool->start and next;
        while (my $client = $listener->accept) {
            $pool->set_status('A');
            serve($client);
            close $client;
            $pool->set_status(Parallel::Prefork::SpareWorkers::STATUS_IDLE());
        }
        $pool->finish;
    }
    $pool->wait_all_children;
} else {
    die "prefork_peers.pl: $what?";
}
