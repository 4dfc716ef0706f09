import type { Host } from '../../host/host.js';

import type { Step } from '../../changes/steps.js';

const MOUNT_POINT = '/dev/cgroup';

function deviceController(mounts: string): string | undefined {
  const line = mounts.split('\n').find((text) => {
    const [, , type, options] = text.split(' ');
    return type === 'cgroup' && (options ?? '').split(',').includes('devices');
  });
  return line?.split(' ')[1];
}

/** On hosts without systemd nobody else mounts the controller that libvirt restricts devices by. */
export async function cgroupMountStep(host: Host): Promise<Step> {
  const where = deviceController(await host.read('/proc/mounts'));
  return {
    id: 'cgroup-mount',
    title: `mount the cgroup device controller on ${MOUNT_POINT}, until the next boot`,
    why: 'a libvirt of that time restricts devices through it, and nothing has mounted it',
    current: where === undefined ? 'not mounted' : `mounted on ${where}`,
    wanted: 'mounted',
    diff: '',
    actions:
      where !== undefined
        ? []
        : [
            { kind: 'run', command: ['mkdir', '-p', MOUNT_POINT], undo: ['rmdir', MOUNT_POINT] },
            {
              kind: 'run',
              command: ['mount', '-t', 'cgroup', 'none', MOUNT_POINT, '-o', 'devices'],
              undo: ['umount', MOUNT_POINT],
            },
          ],
    needsReboot: false,
    verify: async () =>
      deviceController(await host.read('/proc/mounts')) === undefined
        ? 'the device controller is not mounted'
        : undefined,
  };
}
