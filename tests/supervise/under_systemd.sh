# under_systemd.sh UNIT: the unit under a systemd of its own; what the manager says of it, a line each.
# The first process of a pid namespace, with a mount namespace that it may change: see under_systemd.rs.
set -u
unit=$1
mount -t proc proc /proc &&
    mount -t tmpfs tmpfs /run &&
    mkdir -p /run/user /run/systemd/user /run/systemd/system || exit 99
umount -R /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup || exit 99
chmod 700 /run/user
cp "$unit" /run/systemd/user/supervise.service
export XDG_RUNTIME_DIR=/run/user
unset DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET
/lib/systemd/systemd --user --unit=basic.target >manager.log 2>&1 &
manager=$!

ctl() { systemctl --user "$@"; }
is() { [ "$(ctl show supervise -P "$1")" = "$2" ]; }
# Until a command succeeds, for twenty seconds.
until_() {
    local tries=400
    until "$@" 2>/dev/null; do
        tries=$((tries - 1))
        if [ $tries = 0 ]; then echo "never: $*"; return 1; fi
        sleep 0.05
    done
}
running() { ctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; }
logged() { grep -q "$1" main.log; }
# How many processes have this word.
sleepers() { cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -c "^$1\$"; }
another() { [ "$(cat a.pid)" != "$first" ]; }
show() { for property in "$@"; do printf '%s=%s ' "$property" "$(ctl show supervise -P "$property")"; done; echo; }

until_ running || exit 98
ctl start supervise
echo "start $?"
until_ logged 'success: a entered RUNNING'
show ActiveState Type KillMode NRestarts

# A program is added; the one that is the same goes on.
first=$(cat a.pid)
printf '\n[program:b]\ncommand=sleep 1000\n' >>s.conf
ctl reload supervise
echo "reload $?"
until_ logged "spawned: 'b'"
[ "$first" = "$(cat a.pid)" ] && echo "a goes on"

# supervise dies: what it left is killed before it is started again.
ctl kill --kill-who=main --signal=KILL supervise
until_ is NRestarts 1
until_ is ActiveState active
until_ another
until_ sh -c "! kill -0 $first"
show NRestarts
echo "copies of a: $(sleepers 1001)"

ctl stop supervise
echo "stop $?"
show ActiveState Result ExecMainStatus
echo "left: $(sleepers '100[01]')"

# A file that is wrong is not tried again.
echo '[program:c]' >>s.conf
ctl start supervise
until_ is ActiveState failed
show Result ExecMainStatus NRestarts
kill $manager
