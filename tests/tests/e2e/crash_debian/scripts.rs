//! Scripts that run in the guests as root at each boot, and GRUB configurations.

/// Common start of all scripts.
pub const COMMON: &str = r#"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "MBTOOL-DEBIAN $*"; }
load() {
	systemctl start mbtool-crash.service || { journalctl -u mbtool-crash -o cat --no-pager; false; }
	journalctl -u mbtool-crash -o cat --no-pager
}
crash_now() {
	sync
	say "CRASH"
	sleep 1
	echo c >/proc/sysrq-trigger
}
"#;

/// Actions of each boot: the first sets up and crashes, the second checks the saved files.
pub const TO_DISK: &str = r#"
if [ $1 -eq 1 ]; then
	mbtool crash install
	mbtool crash install
	cat /etc/mbtool/crash.toml
	load
	ls -l /var/lib/mbtool
	mbtool status
	lsinitramfs -l /var/lib/mbtool/crash-*.img | awk '{s+=$5} END {print "MBTOOL-DEBIAN unpacked=" s}'
	release=$(uname -r)
	say "advised=$(mbtool crash size /boot/xen-4.20-amd64.gz -m /boot/vmlinuz-$release --initrd /var/lib/mbtool/crash-$release.img | head -n 1)"
	# the initrd was made by the load
	say "fresh=$(mbtool doctor | grep -c '^ok *fresh: ')"
	say "initrd=$(stat -c %s /var/lib/mbtool/crash-*.img)"
	crash_now
fi
"#;

/// Checks of the boot after a crash, and that mbtool can be removed completely.
pub const SAVED: &str = r#"
journalctl -u mbtool-crash -o cat --no-pager
say "unit=$(systemctl is-active mbtool-crash.service)"
say "enabled=$(systemctl is-enabled mbtool-crash.service)"
say "loaded=$(cat /sys/kernel/kexec_crash_loaded)"
find /var/crash -type f | xargs ls -l
cd /var/crash/crash-*
cat crash.json
[ ! -b /dev/disk/by-id/virtio-vmcore ] || dd if=vmcore of=/dev/disk/by-id/virtio-vmcore bs=1M conv=fsync
sha256sum -c vmcore.sha256
say "sum=ok"
say "size=$(stat -c %s vmcore)"
makedumpfile --dump-dmesg vmcore /tmp/dmesg
say "panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)"
say "saved-panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' dmesg.txt)"
# interactive commands need the kernel's symbols
HOME=/root TERM=linux crash --log vmcore >/tmp/crash-log 2>&1 || true
say "crash-panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/crash-log || tail -n 5 /tmp/crash-log | tr '\n' ' ')"
mbtool crash uninstall
say "left=$(find /etc/mbtool /etc/systemd/system/*mbtool* /var/lib/mbtool 2>/dev/null | wc -l)"
say "unloaded=$(cat /sys/kernel/kexec_crash_loaded)"
"#;

/// The steps of docs/crash-kernel.md, on a machine with GRUB without a reservation; `crash size`
/// prints the commands.
pub const FROM_SCRATCH: &str = r#"
if [ $1 -eq 1 ]; then
	mkdir -p /boot/grub
	mbtool crash install
	# nothing is reserved: this reports that
	mbtool crash load --dry-run 2>/tmp/dry-run && say "dry-run=loads"
	cat /tmp/dry-run
	say "dry-run=$(grep -o 'no memory is reserved.*' /tmp/dry-run)"
	mbtool crash size | tee /tmp/size
	say "advised=$(head -n 1 /tmp/size)"
	mbtool doctor >/tmp/doctor || say "doctor=$?"
	cat /tmp/doctor
	sed '1,/, as root:$/d; /^$/,$d' /tmp/size >/tmp/steps
	# ends with: reboot
	sh -ex /tmp/steps
	exec sleep 100
fi
"#;

/// Later boots.
pub const CRASHED: &str = r#"
say "reserved=$(grep -o 'crashkernel=[^ ]*' /proc/cmdline)"
say "doctor=$(mbtool doctor | tail -n 1)"
[ $1 -gt 2 ] || crash_now
"#;

/// GRUB configurations before and after the first `update-grub`.
pub const GRUB_CFG: &str = r#"
search --no-floppy --fs-uuid --set=root @UUID@
set prefix=($root)/boot/grub
if [ -s $prefix/grub.cfg ]; then
	configfile $prefix/grub.cfg
else
	linux /boot/vmlinuz-@RELEASE@ root=UUID=@UUID@ ro @ARGS@
	initrd /boot/initrd.img-@RELEASE@
	boot
fi
"#;

/// Saves to a logical volume on a RAID of two disks, which the system does not need to boot.
pub const TO_LVM: &str = r#"
if [ $1 -eq 1 ]; then
	mdadm --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 /dev/vdb /dev/vdc
	mkdir -p /etc/mdadm
	mdadm --detail --scan >/etc/mdadm/mdadm.conf
	pvcreate /dev/md0
	vgcreate vg /dev/md0
	lvcreate -y -n crash -l 100%FREE vg
	mkfs.ext4 -q /dev/vg/crash
	mount /dev/vg/crash /var/crash
	udevadm settle
	mbtool crash install
	grep device /etc/mbtool/crash.toml
	load
	mbtool doctor || true
	crash_now
fi
vgchange -ay vg
udevadm settle
mount /dev/vg/crash /var/crash
"#;

/// The file system exists when the initramfs is built, but not any more when the system crashes.
pub const WITHOUT_DISK: &str = r#"
if [ $1 -eq 1 ]; then
	uuid=0d15c000-0000-4000-8000-000000000001
	mkfs.ext4 -q -U $uuid /dev/vdb
	udevadm settle
	mbtool crash install --target / --device UUID=$uuid
	load
	tune2fs -f -U random /dev/vdb
	crash_now
fi
say "unit=$(systemctl is-active mbtool-crash.service)"
mount /dev/vdb /mnt
say "saved=$(find /mnt /var/crash -name 'crash-*' | wc -l)"
"#;

/// Saves to the machine of [`SSH_SERVER`].
pub const BY_SSH: &str = r#"
if [ $1 -eq 1 ]; then
	chmod 600 /etc/mbtool/crash-key
	modprobe virtio_net
	mbtool crash install --target ssh://root@10.9.0.1/srv/crash
	grep kernel-cmdline /etc/mbtool/crash.toml
	load
	crash_now
fi
say "unit=$(systemctl is-active mbtool-crash.service)"
"#;

/// Waits for a dump.
pub const SSH_SERVER: &str = r#"
chmod 600 /etc/ssh/ssh_host_ed25519_key
chmod 700 /root/.ssh
mkdir -p /run/sshd /srv/crash
echo 'sshd:x:101:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
modprobe virtio_net
modprobe af_packet || true
/usr/lib/klibc/bin/ipconfig -c none -d 10.9.0.1:::255.255.255.0::eth0:none
/usr/sbin/sshd -f /dev/null -o UsePAM=no
set +x
until [ -e /srv/crash/crash-*/crash.json ]; do
	sleep 1
done
set -x
cd /srv/crash/crash-*
ls -l
cat crash.json
sha256sum -c vmcore.sha256
say "sum=ok"
makedumpfile --dump-dmesg vmcore /tmp/dmesg
say "panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)"
"#;
