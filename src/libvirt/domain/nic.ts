import { below, elementsOf } from '../xml/document.js';
import type { Place, XmlDocument } from '../xml/document.js';
import { readProperty } from './properties.js';

/** One `<interface>` of a domain. */
export interface Nic {
  /** Position among the domain's interfaces, from 0. */
  readonly index: number;
  readonly place: Place;
  readonly type: string;
  readonly mac: string | undefined;
  readonly model: string | undefined;
  /** The name that QEMU's netdev gets from libvirt, e.g. `hostnet0`; qemu-wrap names ports after it. */
  readonly netdev: string;
  readonly driver: string | undefined;
  readonly queues: number;
  /** `<driver iommu=>` and `<driver ats=>`: `on`, `off`. */
  readonly iommu: string | undefined;
  readonly ats: string | undefined;
  /** What it is connected to, for people: `br0`, a network's name, a socket. */
  readonly source: string | undefined;
  /** Of a vhostuser interface. */
  readonly socket: string | undefined;
  readonly mode: string | undefined;
  readonly reconnects: boolean;
  /** Half of a failover pair: `persistent` is the virtio card, `transient` the host's device beside it. */
  readonly teaming: string | undefined;
  /** Names of the elements in it. */
  readonly elements: readonly string[];
}

const DEVICES = below([], 'devices');

/** libvirt counts interfaces up from net0, but for those with an alias of the user's and passed-through ones. */
function netdevNames(doc: XmlDocument, places: readonly Place[]): string[] {
  let next = 0;
  return places.map((place) => {
    const alias = doc.attribute(below(place, 'alias'), 'name');
    if (alias?.startsWith('ua-') === true) return `host${alias}`;
    return doc.attribute(place, 'type') === 'hostdev' ? '' : `hostnet${next++}`;
  });
}

/** A port that is said not to be isolated promises nothing. */
function elementNames(doc: XmlDocument, place: Place): string[] {
  const names = elementsOf(doc.find(place) ?? doc.root).map(({ name }) => name);
  const isolated = doc.attribute(below(place, 'port'), 'isolated') === 'yes';
  return names.filter((name) => name !== 'port' || isolated);
}

export function readNics(doc: XmlDocument): Nic[] {
  const places = doc.all(DEVICES, 'interface').map((_, nth) => [...DEVICES, { name: 'interface', nth }]);
  const netdevs = netdevNames(doc, places);
  return places.map((place, index) => {
    const type = readProperty(doc, place, 'type') ?? '';
    const source = doc.find(below(place, 'source'))?.attributes ?? [];
    const named = ['path', 'bridge', 'network', 'dev', 'portgroup'].find((name) => source.some((a) => a.name === name));
    const path = type === 'vhostuser' ? readProperty(doc, place, 'source-path') : undefined;
    const queues = Number(readProperty(doc, place, 'queues') ?? 1);
    return {
      index,
      place,
      type,
      mac: doc.attribute(below(place, 'mac'), 'address')?.toLowerCase(),
      model: readProperty(doc, place, 'model'),
      netdev: netdevs[index] ?? '',
      driver: readProperty(doc, place, 'driver-name'),
      queues: Number.isInteger(queues) && queues > 0 ? queues : 1,
      iommu: readProperty(doc, place, 'iommu'),
      ats: doc.attribute(below(place, 'driver'), 'ats'),
      source: named === undefined ? undefined : doc.attribute(below(place, 'source'), named),
      socket: path,
      mode: readProperty(doc, place, 'source-mode'),
      reconnects: readProperty(doc, place, 'reconnect-enabled') === 'yes',
      teaming: doc.attribute(below(place, 'teaming'), 'type'),
      elements: elementNames(doc, place),
    };
  });
}

/** As users speak of it. */
export function nicTitle(nic: Pick<Nic, 'index' | 'mac'>): string {
  return nic.mac === undefined ? `interface ${nic.index}` : `interface ${nic.index} (${nic.mac})`;
}
