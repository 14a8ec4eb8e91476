#!/usr/bin/perl
# The scoreboards of Perl, for bench/run scoreboard.
#
#   board_peers.pl parallel state|text BATCHES DIR         Parallel::Scoreboard: update() of one byte, of 240 bytes
#   board_peers.pl parallel read BATCHES DIR WORKERS       its read_all(), of 240 bytes each, beside a process that holds the locks
#   board_peers.pl prefork state BATCHES DIR               Proc::Daemon::Prefork: a worker changes its state
#   board_peers.pl prefork read BATCHES DIR WORKERS        its manager reads the file
#
# DIR must exist and be empty. One line of JSON as from bench/floor/board_store.c; "module" is the version of Parallel::Scoreboard,
# or null when perl does not find it: then a class that makes the same system calls takes its place.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use constant TEXT => 240;

my ($peer, $what, $batches, $dir, $workers) = @ARGV;
my %run = (
    'parallel state' => sub { parallel_update(1) },
    'parallel text'  => sub { parallel_update(TEXT) },
    'parallel read'  => \&parallel_read,
    'prefork state'  => \&prefork_state,
    'prefork read'   => \&prefork_read,
);
my $run = $run{ join ' ', $peer // '', $what // '' };
die "usage: $0 parallel state|text|read|prefork state|read BATCHES DIR [WORKERS]\n"
    unless $run && ($batches // 0) > 0 && -d ($dir // '') && ($what ne 'read' || ($workers // 0) > 0);
my $module = eval { require Parallel::Scoreboard; 'Parallel::Scoreboard'->VERSION };
$run->();

# Calls the sub with a number of operations, BATCHES times after one time to warm up.
sub measure {
    my ($ops, $sub) = @_;
    $sub->($ops);
    my @each = sort { $a <=> $b } map {
        my $from = clock_gettime(CLOCK_MONOTONIC);
        $sub->($ops);
        (clock_gettime(CLOCK_MONOTONIC) - $from) * 1e9 / $ops;
    } 1 .. $batches;
    printf qq({"what": "%s", "slots": %d, "ops": %d, "best_ns": %.3f, "median_ns": %.3f, "module": %s}\n),
        $what, $workers // 1, $ops, $each[0], $each[ @each / 2 ], defined $module ? qq("$module") : 'null';
}

sub reads { int(1500 / $workers) + 1 }

sub scoreboard {
    my ($id) = @_;
    return (defined $module ? 'Parallel::Scoreboard' : 'StandIn')->new(base_dir => $dir, worker_id => sub { $id });
}

sub parallel_update {
    my ($length) = @_;
    my @texts = map { $_ x $length } qw(_ W);
    my $board = scoreboard($$);
    measure(5000, sub { $board->update($texts[ $_ & 1 ]) for 1 .. $_[0] });
}

# A file is locked by whoever opened it, so one process stands for all workers: read_all() sees no difference.
sub parallel_read {
    pipe my $ready, my $ready_in or die "pipe: $!";
    pipe my $stop,  my $stop_in  or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        close $stop_in;
        my @boards = map { scoreboard("w$_") } 1 .. $workers;
        $_->update('x' x TEXT) for @boards;
        syswrite $ready_in, 'x';
        sysread $stop, my $byte, 1;    # until the parent says so, or has gone
        exit 0;
    }
    close $ready_in;
    sysread $ready, my $byte, 1 or die "no workers\n";
    my $board = scoreboard('reader');
    measure(reads(), sub {
        for (1 .. $_[0]) {
            my $found = keys %{ $board->read_all };
            die "read_all: $found of $workers workers\n" if $found != $workers;
        }
    });
    close $stop_in;
    waitpid $pid, 0;
}

# Proc::Daemon::Prefork has no board without its daemon. These are its system calls and its format: records of 20 bytes
# (pid, start, requests, request start, change; state; one byte unused), read and written one by one through sysseek.
use constant { RECORD => 'NNSNNCC', SIZE => 20 };

sub prefork_file {
    my ($records) = @_;
    open my $file, '+>', "$dir/board" or die "$dir/board: $!";
    syswrite $file, join '', map { pack RECORD, 1000 + $_, time, 1, time, time, ord '_', 0 } 1 .. $records;
    return $file;
}

sub prefork_state {
    my ($record, $file) = (3, prefork_file(150));
    my $change = sub {
        my ($state) = @_;
        sysseek $file, $record * SIZE, 0;
        sysread $file, my $bytes, SIZE;
        my ($pid, $started, $requests, $request) = unpack RECORD, $bytes;
        sysseek $file, $record * SIZE, 0;
        syswrite $file, pack RECORD, $pid, $started, $requests, $request, time, ord $state, 0;
    };
    measure(5000, sub { $change->($_ & 1 ? 'W' : '_') for 1 .. $_[0] });
}

sub prefork_read {
    my $file = prefork_file($workers);
    measure(reads(), sub {
        for (1 .. $_[0]) {
            my (%child, $busy);
            sysseek $file, 0, 0;
            while (sysread $file, my $bytes, SIZE) {
                my ($pid, $started, $requests, $request, $changed, $state) = unpack RECORD, $bytes;
                $pid or next;
                $busy++ if chr($state) !~ /[_.]/;
                $child{$pid} = { pid => $pid, started => $started, requests => $requests, request => $request, changed => $changed, state => chr $state };
            }
            die "read: not all of $workers workers\n" if keys %child != $workers;
        }
    });
}

# What takes Parallel::Scoreboard's place: files status_ID, each held locked by its worker, of md5, length and text.
package StandIn;
use Digest::MD5 qw(md5);
use Fcntl qw(:flock);
use IO::Handle;

sub new {
    my ($class, %self) = @_;
    return bless {%self}, $class;
}

sub update {
    my ($self, $text) = @_;
    my $file = $self->{file} //= do {
        my $path = "$self->{base_dir}/status_" . $self->{worker_id}->();
        open my $new, '>', "$path.tmp" or die "$path.tmp: $!";
        $new->autoflush(1);
        flock $new, LOCK_EX or die "flock: $!";
        rename "$path.tmp", $path or die "$path: $!";
        $new;
    };
    seek $file, 0, 0 or die "seek: $!";
    print {$file} md5($text), pack('N', length $text), $text;
}

sub read_all {
    my ($self) = @_;
    my ($own, %found) = $self->{worker_id}->();
    for my $path (glob "$self->{base_dir}/status_*") {
        my ($id) = $path =~ m{/status_(.*)\z};
        next if $id =~ /\.tmp\z/;
        open my $file, '+<', $path or next;
        if ($id ne $own && flock $file, LOCK_EX | LOCK_NB) {
            unlink $path;    # nobody holds it: its worker has gone
            next;
        }
        for (1 .. 10) {
            seek $file, 0, 0;
            my $record = do { local $/; readline $file };
            last if length $record < 20;
            my ($sum, $length) = unpack 'a16 N', $record;
            my $text = substr $record, 20, $length;
            next if md5($text) ne $sum;
            $found{$id} = $text;
            last;
        }
    }
    return \%found;
}
