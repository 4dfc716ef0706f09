import { kernel, kernelArguments, initramfs } from '../helpers/guests/guest.js';

/** What they boot, put there from outside; /tmp is emptied when a system boots. */
export const DEMO_FILES = `
cp ${kernel} srv/vmlinux
cp ${initramfs} srv/initramfs
`;

/**
 * For a script in a clean Debian (clean-debian.ts): `demo_guests` starts the demo's two guests there through qemu-wrap,
 * by the old recipe's command line, and one pings the other from then on. `answered` counts the replies; `more_replies N`:
 * that there have been so many since `remember`; `unanswered`: how many pings had none since then. `end_guests` ends them.
 */
export const DEMO_GUESTS = `
guest() {
  mkfifo "tmp/$1.in"
  inside sh -c "echo \\$\\$ > /tmp/$1.pid
    exec qemu-wrap -name guest=$1 -machine pc,graphics=off -accel tcg,thread=multi -m 256 \\
      -no-user-config -nodefaults -display none -monitor none -serial stdio \\
      -netdev tap,id=hostnet1,vhost=on -device virtio-net-pci,netdev=hostnet1,id=net1,mac=$2 \\
      -kernel /srv/vmlinux -initrd /srv/initramfs -append '${kernelArguments}' \\
      <> /tmp/$1.in > /tmp/$1.out 2>&1" &
}
has_booted() { grep -q guest-ready "tmp/$1.out"; }
tell() { echo "$2" > "tmp/$1.in"; }
demo_guests() {
  guest guest-a 52:54:00:00:00:0a
  guest guest-b 52:54:00:00:00:0b
  for name in guest-a guest-b; do eventually has_booted $name; done
  tell guest-a '1 ip addr add 192.168.77.1/24 dev eth0 && ip link set eth0 up && ping 192.168.77.2'
  tell guest-b '1 ip addr add 192.168.77.2/24 dev eth0 && ip link set eth0 up'
}
answered() { grep -c 'bytes from 192.168.77.2' tmp/guest-a.out || true; }
# Of the pings, one a second, since remember(): how many have had no answer, up to the last that had one.
unanswered() {
  sed -n 's/.*bytes from 192.168.77.2: seq=\\([0-9]*\\) .*/\\1/p' tmp/guest-a.out | tail -n "+$seen" |
    awk 'NR == 1 { first = $1 } { last = $1 } END { print last - first + 1 - NR }'
}
remember() { seen=$(answered); }
more_replies() { [ "$(answered)" -ge $((seen + $1)) ]; }
end_guests() { inside sh -c 'kill $(cat /tmp/guest-a.pid /tmp/guest-b.pid)'; }
boots() { cat tmp/guest-*.out | grep -c guest-ready; }
`;
