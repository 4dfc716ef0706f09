import { VhostHostError } from '../common/errors.js';
import { groupOf, withValue } from './cmdline/argv.js';
import type { Command, Reason } from './cmdline/command.js';
import { asBoolean } from './cmdline/option-group.js';
import { devicesOf } from './netdev.js';
import type { Netdev } from './netdev.js';

/** Guests whose memory the host cannot read (SEV, SEV-SNP, TDX, secure execution), but for what they share. */

/** The object that keeps the host out, as the machine names it; undefined where nothing does. */
function keeperOf(command: Command): string | undefined {
  return command
    .options('machine')
    .map((item) => groupOf(item).get('confidential-guest-support') ?? groupOf(item).get('memory-encryption'))
    .find((object) => object !== undefined && object !== '');
}

function legacyOnly(netdev: string, keeper: string): VhostHostError {
  const what = `the card of netdev "${netdev}" is a legacy or transitional one`;
  return new VhostHostError(
    'ARGV_INVALID',
    `${what}, whose driver shares nothing of memory that "${keeper}" encrypts`,
    {
      hint: 'use driver virtio-net-pci, without disable-modern',
      details: { netdev },
    },
  );
}

/**
 * The driver of a confidential guest is told to share its rings and to copy frames to and from memory that it shares
 * (VIRTIO_F_ACCESS_PLATFORM). QEMU does it by itself where nobody says otherwise; said here, it is seen.
 */
export function accessPlatformOn(command: Command, reason: Reason, netdevs: readonly Netdev[]): void {
  const keeper = keeperOf(command);
  if (keeper === undefined) return;
  for (const { id } of netdevs) {
    for (const device of devicesOf(command, id)) {
      const group = groupOf(device);
      if (/-transitional$/.test((group.get('driver') ?? '').replace('-non-transitional', '')))
        throw legacyOnly(id, keeper);
      if (asBoolean(group.get('disable-modern')) === true) throw legacyOnly(id, keeper);
      if (asBoolean(group.get('iommu_platform')) === true) continue;
      command.replace(reason, device, [withValue(device, group.set('iommu_platform', true))]);
    }
  }
}
