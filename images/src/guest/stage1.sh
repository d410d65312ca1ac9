#!/bin/busybox sh
# init of the first kernel: runs /stage1; the first failing command is reported and switches the machine off
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
# a line begun by the kernel ends here
echo
echo "MBTOOL-STAGE1 START linux=$(uname -r) cpus=$(grep -c ^processor /proc/cpuinfo) efi=$([ -d /sys/firmware/efi ] && echo yes || echo no)"
PS4='MBTOOL-STAGE1 + ' sh -ex /stage1
rc=$?
if [ $rc -eq 0 ]; then
	echo "MBTOOL-STAGE1 END"
else
	echo "MBTOOL-STAGE1 FAIL rc=$rc"
fi
# what was written has to leave the serial port first
sleep 1
poweroff -f
