#!/busybox sh
# The guest's first process. The host's files, read-only, under a layer of memory that takes every change.
b=/busybox
fail() {
    echo "vm: init: $1" > /dev/ttyS1
    $b reboot -f
}
$b mkdir /proc /sys /dev /host /memory /root
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
while read -r module; do
    $b insmod "/modules/$module" || fail "$module cannot be loaded"
done < /modules/order
# cache=loose: the host's files do not change while the guest looks.
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host || fail "no 9p"
$b mount -t tmpfs -o size=75% tmpfs /memory
$b mkdir /memory/changes /memory/work
$b mount -t overlay -o lowerdir=/host,upperdir=/memory/changes,workdir=/memory/work overlay /root || fail "no overlay"
for folder in proc sys dev; do
    $b mount --move "/$folder" "/root/$folder"
done
script=$($b sed 's/.*vm\.script=\([^ ]*\).*/\1/' /root/proc/cmdline)
exec $b switch_root /root /bin/sh "$script"
