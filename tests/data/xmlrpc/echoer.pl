#!/usr/bin/perl
# Tells its standard output what it finds in the file "say" of a directory, and which signals it got.
use strict;
use warnings;

my $dir = shift;
sub out { syswrite STDOUT, $_[0] }

$SIG{HUP} = sub { out("got HUP\n") };
$SIG{TERM} = sub {
    out("got TERM\n");
    select undef, undef, undef, 0.02 while -e "$dir/hold";
    exit 0;
};
my ($name, $group, $enabled, $url) =
    map { $ENV{"SUPERVISOR_$_"} // 'nothing' } qw(PROCESS_NAME GROUP_NAME ENABLED SERVER_URL);
syswrite STDERR, "an err line\n";
out("started $name in group $group enabled=$enabled url=$url\n");
while (1) {
    if (open my $in, '<', "$dir/say") {
        local $/;
        my $text = <$in>;
        close $in;
        unlink "$dir/say";
        out($text);
    }
    select undef, undef, undef, 0.02;
}
