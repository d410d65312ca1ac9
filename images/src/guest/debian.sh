#!/bin/busybox sh
# init of a Debian guest: mounts its disk, puts the test's files there, and starts systemd
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

failed() {
	echo "MBTOOL-DEBIAN FAIL $*"
	# the serial port must have sent all output first
	sleep 1
	poweroff -f
}

while read -r module; do
	insmod "/modules/$module" || failed "insmod $module"
done </modules/order
n=0
until [ -b /dev/vda ]; do
	n=$((n + 1))
	[ $n -lt 100 ] || failed "no /dev/vda"
	sleep 0.1
done
mount -t ext4 /dev/vda /disk || failed "mount /dev/vda"
cd /add || failed "no files"
find . -type d -exec mkdir -p '/disk/{}' ';'
# an existing file keeps its modification time
find . ! -type d | while read -r file; do
	cmp -s "$file" "/disk/$file" || cp -a "$file" "/disk/$file" || echo "$file" >>/not-copied
done
[ ! -e /not-copied ] || failed "not copied: $(cat /not-copied)"
cd /
umount /proc /sys
mount -o move /dev /disk/dev
exec switch_root /disk /sbin/init
