import { readDomain } from './domain.js';
import { nicTitle } from './nic.js';
import { at, below } from '../xml/document.js';
import type { Place, XmlDocument } from '../xml/document.js';

/**
 * What in a domain needs its memory shared with another process, whoever put it there. Not qemu-wrap, which shares it by
 * itself.
 */

const DEVICES = below([], 'devices');

function devices(doc: XmlDocument, name: string): Place[] {
  return doc.all(DEVICES, name).map((_, nth) => at(DEVICES, name, nth));
}

/** As users speak of them; empty where memory may be private. */
export function memoryUsers(doc: XmlDocument): string[] {
  const interfaces = readDomain(doc)
    .nics.filter(({ type }) => type === 'vhostuser')
    .map((nic) => nicTitle(nic));
  const filesystems = devices(doc, 'filesystem')
    .filter((place) => doc.attribute(below(place, 'driver'), 'type') === 'virtiofs')
    .map((place) => `filesystem ${doc.attribute(below(place, 'target'), 'dir') ?? ''} (virtiofs)`);
  const disks = devices(doc, 'disk')
    .filter((place) => doc.attribute(place, 'type') === 'vhostuser')
    .map((place) => `disk ${doc.attribute(below(place, 'target'), 'dev') ?? ''} (vhost-user)`);
  const videos = devices(doc, 'video')
    .filter((place) => doc.attribute(below(place, 'driver'), 'name') === 'vhostuser')
    .map(() => 'a vhost-user display');
  return [...interfaces, ...filesystems, ...disks, ...videos, ...ownArguments(doc)];
}

/** Devices that libvirt does not know of, given to QEMU as they are. */
function ownArguments(doc: XmlDocument): string[] {
  const commandLine = below([], 'qemu:commandline');
  const values = doc
    .all(commandLine, 'qemu:arg')
    .map((_, nth) => doc.attribute(at(commandLine, 'qemu:arg', nth), 'value') ?? '');
  return values.some((value) => /vhost-user|share=on|"share":\s*true/.test(value)) ? ['its <qemu:commandline>'] : [];
}
