# What a guest does, by the host's own tools: what follows is written by `cargo xtask vm`.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
exec < /dev/null > /dev/ttyS1 2>&1
busybox stty -F /dev/ttyS1 raw

uptime() {
    read -r seconds rest < /proc/uptime
    echo "$seconds"
}

# Ends the guest with a reason, which the host shows.
fail() {
    echo "vm: $1"
    busybox reboot -f
}

# job NAME SECONDS FOLDER COMMAND...
job() {
    name=$1 limit=$2 folder=$3
    shift 3
    echo "vm: job $name"
    before=$(uptime)
    (cd "$folder" && exec timeout --kill-after=10 "$limit" "$@")
    status=$?
    # A job that was killed may leave half a line.
    printf '\nvm: exit %s %s %s %s\n' "$name" "$status" "$before" "$(uptime)"
}

mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm 2> /dev/null || { mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm; }
mount -t bpf bpf /sys/fs/bpf
mkdir -p /lib/modules
mount --bind "$MODULES" /lib/modules || fail "no modules at $MODULES"
# The rest is loaded as the kernel asks for it, by modprobe, as on any host.
modprobe -a sctp veth bridge nf_tables tun sch_netem || fail "modules cannot be loaded"
ip link set lo up
# What cgroups, journals and the like would do besides is of no use here.
export SCTP_MONITOR_SKIPS=/run/skipped
: > "$SCTP_MONITOR_SKIPS"
echo "vm: up $(uname -r) $(uptime)"
