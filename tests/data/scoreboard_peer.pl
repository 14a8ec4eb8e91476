# A worker and a reader for tests: MODULE DIRECTORY [ID], then commands on stdin, each answered with a line.
use strict;
use warnings;
use POSIX ();
my ($module, $dir, $id) = @ARGV;
eval "require $module" or die $@;
my $board = $module->new(base_dir => $dir, worker_id => sub { $id // $$ });
$| = 1;

# A text says by its length what its bytes are.
my %texts;
sub text { my $n = shift; $texts{$n} //= join '', map chr($_ * 31 + $n & 255), 0 .. $n - 1 }
sub whole { $_[0] eq text(length $_[0]) }

my %commands = (
    update => sub { $board->update(text($_[0])); "updated $_[0]" },
    flood => sub {
        my @texts = map text($_), @_;
        print "flooding\n";
        while (1) { $board->update($_) for @texts }
    },
    fork => sub {
        my $child = fork // die $!;
        return "forked $child" if $child;
        close STDOUT;
        close STDERR;
        POSIX::pause() while 1;
    },
    read => sub {
        my $all = $board->read_all;
        join ' ', 'found', map { "$_=" . (whole($all->{$_}) ? length $all->{$_} : 'other') } sort keys %$all;
    },
    count => sub {
        my ($name, $times) = @_;
        my %counted = (whole => 0, other => 0, missing => 0);
        for (1 .. $times) {
            my $text = $board->read_all->{$name};
            $counted{!defined $text ? 'missing' : whole($text) ? 'whole' : 'other'}++;
        }
        join ' ', 'counted', map "$_=$counted{$_}", sort keys %counted;
    },
);
print "up $$\n";
while (<STDIN>) {
    my ($name, @words) = split;
    print $commands{$name}->(@words), "\n";
}
