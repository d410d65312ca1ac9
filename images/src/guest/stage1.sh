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
rc=0
xen=
if [ "$(cat /sys/hypervisor/type 2>/dev/null)" = xen ]; then
	# under Xen: the way to it for user space
	for module in xen-privcmd xenfs; do
		insmod "/lib/modules/$(uname -r)/$module.ko" || rc=1
	done
	mount -t xenfs xenfs /proc/xen || rc=1
	cd /sys/hypervisor/version
	xen=" xen=$(cat major).$(cat minor)$(cat extra)"
	cd /
fi
if [ -e /slot ]; then
	# the machine is saved here, and restored for each test, whose files the host writes over the pages of /slot
	echo "MBTOOL-STAGE1 WAITING"
	until [ "$(head -c 6 /slot)" = 070701 ]; do
		sleep 0.05
	done
	cpio -idu </slot 2>/dev/null || rc=1
	rm /slot
fi
echo "MBTOOL-STAGE1 START linux=$(uname -r) cpus=$(grep -c ^processor /proc/cpuinfo) efi=$([ -d /sys/firmware/efi ] && echo yes || echo no)$xen"
if [ $rc -eq 0 ]; then
	PS4='MBTOOL-STAGE1 + ' sh -ex /stage1
	rc=$?
fi
if [ $rc -eq 0 ]; then
	echo "MBTOOL-STAGE1 END"
else
	echo "MBTOOL-STAGE1 FAIL rc=$rc"
fi
# what was written has to leave the serial port first
sleep 1
poweroff -f
