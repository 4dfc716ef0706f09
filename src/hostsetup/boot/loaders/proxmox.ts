import { checkGrubConfig } from '../readback.js';
import { checkLoader } from './systemd-draft.js';
import type { KernelArgsSpec } from '../../kernel/spec.js';
import type { Host } from '../../../host/host.js';

/** What `proxmox-boot-tool refresh` made of the arguments, on partitions that it mounts only for as long as it writes. */

interface Partition {
  readonly uuid: string;
  /** Where it is mounted, if it is. */
  readonly at: string | undefined;
}

export const PROXMOX_PARTITIONS = '/etc/kernel/proxmox-boot-uuids';

async function partitions(host: Host): Promise<Partition[]> {
  const uuids = ((await host.readOptional(PROXMOX_PARTITIONS)) ?? '').split(/\s+/).filter(Boolean);
  const mounts = ((await host.readOptional('/proc/mounts')) ?? '').split('\n').map((line) => line.split(' '));
  const found: Partition[] = [];
  for (const uuid of uuids) {
    const device = await host.realpath(`/dev/disk/by-uuid/${uuid}`);
    found.push({ uuid, at: device === undefined ? undefined : mounts.find(([name]) => name === device)?.[1] });
  }
  return found;
}

/** What is wrong on those that can be read: each has systemd-boot or GRUB, or both. */
export async function checkProxmox(host: Host, spec: KernelArgsSpec): Promise<string | undefined> {
  for (const { at } of await partitions(host)) {
    if (at === undefined) continue;
    const loader = (await host.stat(`${at}/loader/loader.conf`)) !== undefined;
    const wrong =
      (loader ? await checkLoader(host, spec, [at]) : undefined) ??
      (await checkGrubConfig(host, spec, `${at}/grub/grub.cfg`));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** What nobody has read back, and how to. */
export async function unreadOfProxmox(host: Host): Promise<string | undefined> {
  const unread = (await partitions(host)).filter(({ at }) => at === undefined).map(({ uuid }) => uuid);
  const [first] = unread;
  if (first === undefined) return undefined;
  const look = `mount -o ro /dev/disk/by-uuid/${first} /mnt; grep -rE 'hugepages|iommu' /mnt/loader/entries /mnt/grub/grub.cfg; umount /mnt`;
  return `proxmox-boot-tool has written the entries to ${unread.join(', ')}, which is not mounted and was not read back; ${look}`;
}
