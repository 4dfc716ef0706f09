import { VhostHostError, printable } from '../../common/errors.js';
import { bytesOf } from './size.js';
import { readNics } from './nic.js';
import type { Nic } from './nic.js';
import { at, below } from '../xml/document.js';
import type { Place, XmlDocument } from '../xml/document.js';

/** What domain XML says about a guest, as far as it matters to us. */

/** Memory that QEMU makes one object of: the guest as a whole, a NUMA cell, or a DIMM. */
export interface MemoryPart {
  readonly title: string;
  readonly bytes: number;
  /** Guest NUMA node; undefined where the guest has none. */
  readonly cell: number | undefined;
  /** Host nodes that the memory is bound to; undefined where it may come from any. */
  readonly hostNodes: readonly number[] | undefined;
  /** Says for itself how it is mapped. */
  readonly access: string | undefined;
  /** Position among `<memory>` devices, of a DIMM. */
  readonly module: number | undefined;
}

export interface HugepageSpec {
  /** undefined: the host's default size. */
  readonly pageSize: number | undefined;
  /** Guest NUMA nodes that it is for; undefined: all others. */
  readonly cells: readonly number[] | undefined;
}

export interface MemoryBacking {
  readonly access: string | undefined;
  readonly source: string | undefined;
  /** undefined where no hugepages are asked for. */
  readonly hugepages: readonly HugepageSpec[] | undefined;
}

export interface Domain {
  readonly name: string;
  readonly uuid: string | undefined;
  /** `kvm`, `qemu`. */
  readonly type: string;
  readonly arch: string;
  readonly emulator: string | undefined;
  readonly kernelArguments: string;
  /** Why the host cannot read its memory: `sev`, `sev-snp`, `tdx`, `s390-pv`; undefined where it can. */
  readonly confidential: string | undefined;
  /** The guest's own IOMMU; undefined where it has none. */
  readonly iommu: { readonly model: string; readonly iotlb: boolean } | undefined;
  readonly backing: MemoryBacking;
  readonly parts: readonly MemoryPart[];
  readonly cells: readonly { readonly id: number; readonly place: Place; readonly access: string | undefined }[];
  /** Memory may be plugged in while the guest runs. */
  readonly growable: boolean;
  /** `user:group` that a label of the domain's own makes QEMU run as. */
  readonly dacLabel: string | undefined;
  readonly nics: readonly Nic[];
}

/** `0-2,^1,5` */
export function parseNodeSet(text: string): number[] {
  const nodes = new Set<number>();
  for (const part of text.split(',').map((word) => word.trim())) {
    const match = /^(\^?)(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    if (match === null) throw new VhostHostError('XML_INVALID', `"${printable(text)}" is not a list of NUMA nodes`);
    const [first, last] = [Number(match[2]), Number(match[3] ?? match[2])];
    for (let node = first; node <= last; node++) {
      if (match[1] === '^') nodes.delete(node);
      else nodes.add(node);
    }
  }
  return [...nodes].sort((a, b) => a - b);
}

const NUMA = below([], 'cpu', 'numa');

function readBacking(doc: XmlDocument): MemoryBacking {
  const backing = below([], 'memoryBacking');
  const hugepages = below(backing, 'hugepages');
  const pages = doc.all(hugepages, 'page').map((_, nth) => {
    const page = at(hugepages, 'page', nth);
    const nodeset = doc.attribute(page, 'nodeset');
    return {
      pageSize: bytesOf(doc.attribute(page, 'size'), doc.attribute(page, 'unit')),
      cells: nodeset === undefined ? undefined : parseNodeSet(nodeset),
    };
  });
  const specs = pages.length === 0 ? [{ pageSize: undefined, cells: undefined }] : pages;
  return {
    access: doc.attribute(below(backing, 'access'), 'mode'),
    source: doc.attribute(below(backing, 'source'), 'type'),
    hugepages: doc.find(hugepages) === undefined ? undefined : specs,
  };
}

/** Only a strict binding is a promise; any other mode lets the kernel look elsewhere. */
function hostNodesOf(doc: XmlDocument, cell: number): number[] | undefined {
  const tune = below([], 'numatune');
  const nodes = doc.all(tune, 'memnode').map((_, nth) => at(tune, 'memnode', nth));
  const own = nodes.find((place) => Number(doc.attribute(place, 'cellid')) === cell) ?? below(tune, 'memory');
  const nodeset = doc.attribute(own, 'nodeset');
  const strict = (doc.attribute(own, 'mode') ?? 'strict') === 'strict';
  return nodeset === undefined || !strict ? undefined : parseNodeSet(nodeset);
}

function readCells(doc: XmlDocument): Domain['cells'] {
  return doc.all(NUMA, 'cell').map((_, nth) => {
    const place = at(NUMA, 'cell', nth);
    return { id: Number(doc.attribute(place, 'id') ?? nth), place, access: doc.attribute(place, 'memAccess') };
  });
}

function readParts(doc: XmlDocument, cells: Domain['cells']): MemoryPart[] {
  const devices = below([], 'devices');
  const modules = doc.all(devices, 'memory').flatMap((_, nth) => {
    const place = at(devices, 'memory', nth);
    if (doc.attribute(place, 'model') !== 'dimm') return [];
    const size = below(place, 'target', 'size');
    const cell = Number(doc.textOf(below(place, 'target', 'node')) ?? 0);
    const bytes = bytesOf(doc.textOf(size), doc.attribute(size, 'unit'));
    const access = doc.attribute(place, 'access');
    return [{ title: `DIMM ${nth}`, bytes, cell, hostNodes: hostNodesOf(doc, cell), access, module: nth }];
  });
  const numa = cells.map(({ id, place, access }) => ({
    title: `NUMA cell ${id}`,
    bytes: bytesOf(doc.attribute(place, 'memory'), doc.attribute(place, 'unit')),
    cell: id,
    hostNodes: hostNodesOf(doc, id),
    access,
    module: undefined,
  }));
  if (numa.length > 0) return [...numa, ...modules];
  const memory = below([], 'memory');
  const bytes = bytesOf(doc.textOf(memory), doc.attribute(memory, 'unit'));
  const whole = { cell: undefined, hostNodes: hostNodesOf(doc, 0), access: undefined, module: undefined };
  return [{ title: 'the guest', bytes, ...whole }];
}

function dacLabelOf(doc: XmlDocument): string | undefined {
  const labels = doc.all([], 'seclabel').map((_, nth) => at([], 'seclabel', nth));
  const dac = labels.find((place) => doc.attribute(place, 'model') === 'dac');
  return dac === undefined ? undefined : doc.textOf(below(dac, 'label'));
}

function readIommu(doc: XmlDocument): Domain['iommu'] {
  const place = below([], 'devices', 'iommu');
  const model = doc.attribute(place, 'model');
  return model === undefined ? undefined : { model, iotlb: doc.attribute(below(place, 'driver'), 'iotlb') === 'on' };
}

/** Reads a domain; throws where the document is none. */
export function readDomain(doc: XmlDocument): Domain {
  const name = doc.textOf(below([], 'name'));
  if (doc.root.name !== 'domain' || name === undefined || name === '') {
    throw new VhostHostError('XML_INVALID', `not the XML of a domain: its root is <${printable(doc.root.name)}>`, {
      hint: 'virsh dumpxml --inactive DOMAIN',
    });
  }
  const cells = readCells(doc);
  return {
    name,
    uuid: doc.textOf(below([], 'uuid')),
    type: doc.attribute([], 'type') ?? '',
    arch: doc.attribute(below([], 'os', 'type'), 'arch') ?? 'x86_64',
    emulator: doc.textOf(below([], 'devices', 'emulator')),
    kernelArguments: doc.textOf(below([], 'os', 'cmdline')) ?? '',
    confidential: doc.attribute(below([], 'launchSecurity'), 'type'),
    iommu: readIommu(doc),
    backing: readBacking(doc),
    parts: readParts(doc, cells),
    cells,
    growable: doc.find(below([], 'maxMemory')) !== undefined,
    dacLabel: dacLabelOf(doc),
    nics: readNics(doc),
  };
}
