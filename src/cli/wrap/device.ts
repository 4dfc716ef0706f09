import { VhostHostError, errnoOf, messageOf } from '../../common/errors.js';
import type { Way } from '../../wrap/endpoint.js';

/** Devices of the switch as a guest's way to it. */

/** Gives the number of a new descriptor for QEMU; fails with an errno. */
export type OpenDevice = (device: string) => Promise<number>;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such device (below libvirt: none in the private /dev of its guests)',
  EACCES: 'permission denied',
  EPERM: 'not allowed (below libvirt: not in cgroup_device_acl)',
  ENOTTY: 'it is none of the switch',
};

function unusable(device: string, error: unknown): VhostHostError {
  const errno = errnoOf(error) ?? '';
  const index = /-(\d+)$/.exec(device)?.[1];
  const listed = ['ENOENT', 'EPERM'].includes(errno) && index !== undefined;
  return new VhostHostError('DEVICE_UNUSABLE', `${device} cannot be opened: ${WHY[errno] ?? messageOf(error)}`, {
    hint: listed
      ? `vhost-host check; below libvirt: sudo vhost-host libvirt setup --devices ${index}`
      : 'vhost-host check',
    cause: error,
    details: { device, errno },
  });
}

/** One descriptor per queue pair. */
export async function openAll(open: OpenDevice, device: string, queues: number): Promise<Way> {
  const fds: number[] = [];
  try {
    for (let queue = 0; queue < queues; queue++) fds.push(await open(device));
  } catch (error) {
    throw unusable(device, error);
  }
  return { device, fds: fds.join(':') };
}

/** The same, where nothing is opened. */
export function unopened(device: string, queues: number): Way {
  return { device, fds: Array.from({ length: queues }, () => 'FD').join(':') };
}
