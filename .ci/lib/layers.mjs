// The rooms of the house and what each may import: one table for both languages. What is not named is not allowed.
const common = ['src/common'];
const host = [...common, 'src/host'];
const changes = [...host, 'src/changes'];
const base = ['native/base'];
const virtio = [...base, 'native/virtio'];
const core = [...virtio, 'native/switch'];
const runtime = [...core, 'native/dpdk/runtime'];
const uplink = [...runtime, 'native/dpdk/uplink'];
const proxy = [...runtime, 'native/dpdk/proxy'];
const vhost = [...new Set([...uplink, ...proxy, 'native/dpdk/vhost'])];

export const layers = {
  'src/common': [],
  'src/host': common,
  'src/changes': host,
  'src/wrap': host,
  'src/switch': host,
  'src/libvirt': changes,
  'src/hostsetup': changes,
  'src/cli': [...changes, 'src/wrap', 'src/switch', 'src/libvirt', 'src/hostsetup'],
  'native/base': [],
  'native/virtio': base,
  'native/switch': virtio,
  'native/dpdk/runtime': core,
  'native/dpdk/uplink': runtime,
  'native/dpdk/proxy': runtime,
  'native/dpdk/vhost': vhost,
  'native/dpdk/engine': vhost,
  'native/addon': [...vhost, 'native/dpdk/engine'],
  // Programs of their own.
  'native/cuse': base,
  'native/launch': [],
};

const rooms = Object.keys(layers);
/** The innermost room that a file is in. */
export const roomOf = (file) =>
  rooms.filter((room) => file.startsWith(`${room}/`)).sort((a, b) => b.length - a.length)[0];

/** What `importsOf` found, with what breaks the table. Return: lines for a person. */
export function brokenLayers(graph) {
  const lines = [];
  for (const [file, targets] of graph) {
    const room = roomOf(file);
    if (room === undefined) lines.push(`${file} is in no room of .ci/lib/layers.mjs`);
    for (const target of targets) {
      const other = roomOf(target);
      if (room !== undefined && other !== room && !layers[room].includes(other))
        lines.push(`${file} imports ${target}: ${room} is not above ${other}`);
    }
  }
  return lines;
}
