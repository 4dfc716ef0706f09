import { hasCode } from '../../common/errors.js';
import { qemuIdentity } from '../../libvirt/install/qemu-user.js';
import { readDomain } from '../../libvirt/domain/domain.js';
import { QEMU_CONF } from '../../libvirt/qemu-conf/step.js';
import { Virsh } from '../../libvirt/virsh.js';
import { XmlDocument } from '../../libvirt/xml/document.js';
import type { Host } from '../../host/host.js';

/** What `setup` asks libvirt: how much memory its domains have, and whom it runs QEMU as. */

/** Bytes of each domain; a reason where libvirt does not tell. */
export async function domainMemory(
  host: Host,
  connect: string | undefined,
): Promise<{ readonly domains: readonly number[] } | { readonly trouble: string }> {
  try {
    const virsh = new Virsh(host, connect);
    const domains: number[] = [];
    for (const name of await virsh.names()) {
      const { parts } = readDomain(XmlDocument.parse(await virsh.dumpxml(name)));
      domains.push(parts.reduce((sum, { bytes }) => sum + bytes, 0));
    }
    return { domains };
  } catch (failure) {
    // A host is set up for guests that are yet to come, too.
    if (hasCode(failure, 'LIBVIRT_MISSING', 'LIBVIRT_UNREACHABLE', 'LIBVIRT_FAILED', 'DOMAIN_UNKNOWN', 'XML_INVALID')) {
      return { trouble: failure.message };
    }
    throw failure;
  }
}

/** undefined where it is root, or no libvirt is there to say. */
export async function qemuGroup(host: Host): Promise<number | undefined> {
  const { uid, gids } = await qemuIdentity(host, (await host.readOptional(QEMU_CONF)) ?? '', undefined);
  return uid === 0 ? undefined : gids[0];
}
