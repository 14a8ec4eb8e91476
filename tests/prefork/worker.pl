# The worker of the tests: perl worker.pl KIND FD. Each connection is one HTTP request, each answer ends with
# "generation G pid P" and what the path asks for.
#   plain        accepts and answers; signals have their default effect
#   managed      as FCGI::ProcManager: TERM and HUP interrupt accept, but a request is finished first
#   cooperating  managed, and keeps its slot of the scoreboard
#   notifying    plain, and says READY=1 when the file `go` is there
# The package Scoreboard is put before this by the tests.
use Errno 'EINTR';
use Socket;
use Time::HiRes 'time';
my ($kind, $fd) = @ARGV;
my ($told, $window, @kept) = (0, $ENV{WINDOW} // 0);
sub policy {    # 1.0 of POSIX::SigAction: handlers run between two operations, as in FCGI::ProcManager
    my $flags = shift;
    for my $signal (POSIX::SIGTERM(), POSIX::SIGHUP()) {
        POSIX::sigaction($signal, POSIX::SigAction->new(sub { $told++ }, POSIX::SigSet->new, $flags));
    }
}
sub spin { my $until = time + shift; 1 while time < $until }    # no system call to be interrupted but the clock's
sub pause { my $until = time + shift; while ((my $left = $until - time) > 0) { select undef, undef, undef, $left } }
sub body {    # what the client sends after the head, to the end of what it announced
    my ($client, $text, $length) = @_;
    while (length $text < $length) {
        my $count = sysread $client, $text, 65536, length $text;
        return defined $count ? 'short' : "error $!" if !$count;
    }
    return "body $text";
}
my %do = (
    sleep => sub { pause($_[0]); '' },
    spin => sub { print "spinning $$\n"; spin($_[0]); '' },
    select => sub { my $begun = time; select undef, undef, undef, $_[0]; sprintf 'slept %.3f', time - $begun },
    exit => sub { POSIX::_exit($_[0]) },
    die => sub { kill $_[0], $$; pause(60) },
    hang => sub { local @SIG{qw(TERM HUP)} = ('IGNORE') x 2; print "hanging $$\n"; pause($_[0] || 600); '' },
    deaf => sub { $SIG{TERM} = $SIG{HUP} = 'IGNORE'; 'deaf' },
    grow => sub { push @kept, "x" x ($_[0] << 20); "kept $_[0]" },
    fork => sub {
        my $child = fork // die;
        if (!$child) { $SIG{TERM} = $SIG{HUP} = 'IGNORE'; POSIX::close($_) for 3 .. 20; pause(600); POSIX::_exit(0) }
        "child $child";
    },
    status => sub { open my $file, '<', '/proc/self/status'; join ' ', map { s/\s+/=/r } grep { chomp; /^Sig|^Shd/ } <$file> },
    text => sub { Scoreboard::text("GET /text/$_[0]"); pause($_[1]); '' },
    scribble => sub {    # the whole slots file, as far as this one may write it
        open my $slots, '+<:raw', "/proc/$$/fd/$ENV{BOARD_FD}" or return "no slots: $!";
        my $size = -s $slots;
        my $wrote = syswrite $slots, chr($_[0]) x $size;
        "wrote " . ($wrote // "nothing: $!");
    },
);
$| = 1;
$ENV{BOARD_FD} = POSIX::dup($ENV{SCOREBOARD_FD}) if defined $ENV{SCOREBOARD_FD};
open my $listener, '+<&=', $fd or die "descriptor $fd: $!";
Scoreboard::attach(), Scoreboard::set('_') if $kind eq 'cooperating';
if ($kind eq 'notifying') {
    pause(0.005) until -e 'go';
    my $path = $ENV{NOTIFY_SOCKET} =~ s/\A@/\0/r;
    require IO::Socket::UNIX;
    IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path)->send("READY=1\n");
}
my $graceful = $kind =~ /managed|cooperating/;
policy(0) if $graceful;
print "up $$ $ENV{PREFORK_GENERATION} $ENV{PREFORK_SLOT}\n";
while (1) {
    if ($told) { print "leaving $$\n"; exit 0 }
    last if $kind eq 'cooperating' && Scoreboard::leave();
    if ($window) { print "window $$\n"; spin($window / 1000); print "accepting $$\n"; $window = 0 }
    accept my $client, $listener or next;
    policy(POSIX::SA_RESTART()) if $graceful;
    Scoreboard::begin('W') if $kind eq 'cooperating';
    my $input = '';
    while ($input !~ /\r\n\r\n/) { last unless sysread $client, $input, 65536, length $input }
    my ($path) = $input =~ m{\A\w+ (\S+)} or next;
    my (undef, $word, @arguments) = split '/', $path;
    my $more = '';
    if (($word // '') eq 'body') {
        my ($length) = $input =~ /^Content-Length: (\d+)/mi;
        print "reading $$\n";
        $more = body($client, $input =~ s/.*?\r\n\r\n//sr, $length);
    } elsif (defined $word) {
        $more = $do{$word} ? $do{$word}->(@arguments) : "unknown $word";
    }
    my $answer = "generation $ENV{PREFORK_GENERATION} pid $$\n$more";
    syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: " . length($answer) . "\r\nConnection: close\r\n\r\n$answer";
    close $client;
    Scoreboard::end() if $kind eq 'cooperating';
    policy(0) if $graceful;
}
