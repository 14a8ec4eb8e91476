# A worker's slot of a scoreboard, to copy: Perl's core is enough. What is stored where: docs/scoreboard-format.md.
package Scoreboard;    # without SCOREBOARD_FD and SCOREBOARD_SLOT it does nothing
use strict; use warnings; use POSIX (); use Time::HiRes ();
my ($file, $at, $half, $start, $requests, $busy, $last) = (undef, 0, 448, 0, 0, 0, 0);
sub attach {    # after the last fork. A file of its own: all who have the descriptor move its offset.
    return if 2 > grep { defined } my ($fd, $slot) = delete @ENV{qw(SCOREBOARD_FD SCOREBOARD_SLOT)};
    my ($header, $own) = '';
    open $own, '+<:raw', "/proc/self/fd/$fd" and -f $own and sysread $own, $header, 40;
    my ($magic, $version, $size, $first, $count) = unpack 'a8Q4', $header;
    return warn "no scoreboard: descriptor $fd: no slots file of this user that has slot $slot\n"
        if !$count || $magic ne "SCSLOTS\n" || $version != 1 || $size < 1024 || -s $own < 4096 + $count * $size
        || $slot !~ /\A\d+\z/ || $slot < $first || $slot >= $first + $count;
    ($file, $at, $half) = ($own, 4096 + ($slot - $first) * $size, $size / 2 - 64);
    ($requests, $busy, $last) = map { get($_) } 24, 32, 48;
    POSIX::close($fd);
}
sub get { my $word; $file && sysseek($file, $at + shift, 0) && sysread($file, $word, 8) ? unpack 'Q', $word : 0 }
sub put { $file && sysseek($file, $at + shift, 0) && syswrite $file, shift }
sub now { int 1e9 * Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }
sub set { put(8, pack 'Q', now()); put(0, pack 'a1x7', shift) }
sub begin { put(16, pack 'Q', $start = now()); set(shift) }
sub end { put(16, pack 'Q3', 0, ++$requests, $busy += now() - $start) if $start; $start = 0; set('_') }
sub leave { get(64) == 1 }
sub text {
    my $text = shift;
    utf8::encode($text) if utf8::is_utf8($text);
    my $data = $text =~ /\A(.{0,${\($half - 8)}})(?![\x80-\xBF])/s ? $1 : '';    # no half character at its end
    $last = (($last >> 16) + 1 & (1 << 48) - 1) << 16 | length $data;
    my ($stamp, $buffer) = (pack('Q', $last), 128 + ($last >> 16) % 2 * $half);
    put(@$_) for [$buffer, pack 'Q', 0], [$buffer + 8, $data], [$buffer, $stamp], [48, $stamp];
}
package main;    # each line is a request; that of the line "hold" lasts until the next line
$| = 1; Scoreboard::attach(); Scoreboard::set('_');
while (!Scoreboard::leave() && (my $line = <STDIN> // "quit\n") ne "quit\n") {
    Scoreboard::begin('W'); Scoreboard::text($line =~ s/\n\z//r);
    print $line eq "hold\n" ? "holding\n" : "done\n";
    <STDIN> if $line eq "hold\n";
    Scoreboard::end();
}
print "leaving\n" if Scoreboard::leave();
