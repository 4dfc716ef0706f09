/**
 * Every way to write one and the same guest: 96 MiB, and a virtio-net card with the address 52:54:00:00:00:09 on a tap
 * with vhost. One table for the rules, the launcher and QEMU itself.
 */
export interface Spelling {
  readonly args: string;
  /** What the file FILE of -readconfig says. */
  readonly file?: string;
  /** What plain QEMU would make of it: another card beside it. */
  readonly cards?: number;
}

const MAC = '52:54:00:00:00:09';
const TAP = 'ifname=vhtap0,script=no,downscript=no';
const NETDEV = `-netdev tap,id=n0,${TAP},vhost=on`;
const DEVICE = `-device virtio-net-pci,netdev=n0,mac=${MAC}`;

export const SPELLINGS: Readonly<Record<string, Spelling>> = {
  'the long form': { args: `-m 96 ${NETDEV} ${DEVICE}` },
  'two dashes': { args: `--m 96 -${NETDEV} -${DEVICE}` },
  'the device first': { args: `-m 96 ${DEVICE} ${NETDEV}` },
  JSON: {
    args: `-m 96 -netdev {"type":"tap","id":"n0","ifname":"vhtap0","script":"no","vhost":true} -device {"driver":"virtio-net-pci","netdev":"n0","mac":"${MAC}"}`,
  },
  'an option without value before it': { args: `-m 96 -snapshot ${NETDEV} -no-shutdown ${DEVICE}` },
  'keys for all': {
    args: `-m size=96 -netdev type=tap,id=n0,${TAP},vhost=on -device driver=virtio-net-pci,netdev=n0,mac=${MAC}`,
  },
  'vhost without value': { args: `-m 96 -netdev tap,id=n0,${TAP},vhost ${DEVICE}` },
  vhostforce: { args: `-m 96 -netdev tap,id=n0,${TAP},vhostforce=on ${DEVICE}` },
  'the alias': { args: `-m 96 ${NETDEV} -device virtio-net,netdev=n0,mac=${MAC}` },
  transitional: { args: `-m 96 ${NETDEV} -device virtio-net-pci-transitional,netdev=n0,mac=${MAC}` },
  'non-transitional': { args: `-m 96 ${NETDEV} -device virtio-net-pci-non-transitional,netdev=n0,mac=${MAC}` },
  '-nic': { args: `-m 96 -nic tap,${TAP},vhost=on,model=virtio-net-pci,mac=${MAC}` },
  '-nic, short model and address': { args: `-m 96 -nic tap,id=up,${TAP},vhost=on,model=virtio,mac=52:54:0:0:0:9` },
  '-net nic with -net tap': { args: `-m 96 -net nic,model=virtio,macaddr=${MAC} -net tap,${TAP},vhost=on` },
  '-net nic with -netdev': { args: `-m 96 ${NETDEV} -net nic,model=virtio-net-pci,netdev=n0,macaddr=${MAC}` },
  '-set of the netdev': { args: `-m 96 -netdev tap,id=n0,${TAP} -set netdev.n0.vhost=on ${DEVICE}` },
  '-set of the device': { args: `-m 96 ${NETDEV} -device virtio-net-pci,netdev=n0,id=d0 -set device.d0.mac=${MAC}` },
  'the device in a file': {
    args: `-m 96 ${NETDEV} -readconfig FILE`,
    file: `[device "d0"]\n  driver = "virtio-net-pci"\n  netdev = "n0"\n  mac = "${MAC}"\n`,
  },
  'the netdev in a file': {
    args: `-m 96 -readconfig FILE ${DEVICE}`,
    file: '[netdev "n0"]\n  type = "tap"\n  ifname = "vhtap0"\n  script = "no"\n  vhost = "on"\n',
    cards: 2,
  },
  'the memory in a file': {
    args: `-nodefaults -readconfig FILE ${NETDEV} ${DEVICE}`,
    file: '# ours\n\n[machine]\n  type = "q35"\n  accel = "tcg"\n\n[memory]\n  size = "96"\n',
  },
  'all of it in a file': {
    args: '--readconfig FILE',
    file: `[nic]\n  type = "tap"\n  ifname = "vhtap0"\n  vhost = "on"\n  model = "virtio"\n  mac = "${MAC}"\n\n[memory]\n  size = "96M"\n\n[machine]\n  memory-backend = "r0"\n\n[object "r0"]\n  qom-type = "memory-backend-ram"\n  size = "96M"\n`,
    cards: 2,
  },
  "the memory as the machine's property": { args: `-machine pc,memory.size=96M ${NETDEV} ${DEVICE}` },
  'the memory as an object': {
    args: `-m 96M -object memory-backend-ram,id=r0,size=96M -machine memory-backend=r0 ${NETDEV} ${DEVICE}`,
  },
  'the memory as a NUMA node': {
    args: `-m 96M -object memory-backend-ram,id=r0,size=96M -numa node,memdev=r0 ${NETDEV} ${DEVICE}`,
  },
  'with virtio-mem': {
    args: `-m 96M,slots=2,maxmem=1G -object memory-backend-ram,id=v0,size=128M -device virtio-mem-pci,memdev=v0 ${NETDEV} ${DEVICE}`,
  },
};

/** The arguments, and the file that they name by this path. */
export function spelled({ args }: Spelling, path: string): string[] {
  return args.split(' ').map((arg) => (arg === 'FILE' ? path : arg));
}
