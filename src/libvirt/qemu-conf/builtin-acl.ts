import type { Host } from '../../host/host.js';

import { stringLists } from './elf-strings.js';

/**
 * What libvirt lets guests have of /dev where qemu.conf sets no `cgroup_device_acl`. Setting the list replaces it, so
 * whoever adds a device has to begin with this. Devices that only some guests get (/dev/sev, /dev/sgx_vepc,
 * /dev/vfio/vfio, of late /dev/kvm) come on top of either list. One that the host does not have is passed over.
 */

type AclHost = Pick<Host, 'list' | 'readBytes'>;

const BASE = ['null', 'full', 'zero', 'random', 'urandom', 'ptmx', 'kvm'].map((name) => `/dev/${name}`);
const USERFAULTFD = '/dev/userfaultfd';
/**
 * By version, where the list cannot be read from libvirt itself: 9.0 is without the last one, 11.3 has it (both read
 * from Debian's packages); for those between, one device too many does less harm than one too few.
 */
const OLDEST_WITH_USERFAULTFD = 9001;

async function libraryDirs(host: AclHost): Promise<string[]> {
  const multiarch = (await host.list('/usr/lib')).filter((name) => /-linux-(gnu|musl)/.test(name)).sort();
  return [...multiarch.map((name) => `/usr/lib/${name}`), '/usr/lib64', '/usr/lib'];
}

const isAcl = (list: readonly string[]): boolean => list.includes('/dev/zero') && list.includes('/dev/urandom');

/** From the driver itself, which some versions have within the daemon. */
async function fromDriver(host: AclHost, dirs: readonly string[]): Promise<string[] | undefined> {
  const drivers = dirs.map((dir) => `${dir}/libvirt/connection-driver/libvirt_driver_qemu.so`);
  for (const path of [...drivers, '/usr/sbin/virtqemud', '/usr/sbin/libvirtd']) {
    const bytes = await host.readBytes(path);
    const found = bytes === undefined ? undefined : stringLists(bytes, '/dev/null', /^\/dev\/[\w/.-]+$/).find(isAcl);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `libvirt.so.0.11003.0` is version 11.3; undefined where no such library is there. */
async function versionOf(host: AclHost, dirs: readonly string[]): Promise<number | undefined> {
  for (const dir of dirs) {
    for (const name of await host.list(dir)) {
      const version = /^libvirt\.so\.0\.(\d+)\.\d+$/.exec(name)?.[1];
      if (version !== undefined) return Number(version);
    }
  }
  return undefined;
}

export async function builtinAcl(host: AclHost): Promise<readonly string[]> {
  const dirs = await libraryDirs(host);
  const found = await fromDriver(host, dirs);
  if (found !== undefined) return found;
  const version = await versionOf(host, dirs);
  return version !== undefined && version < OLDEST_WITH_USERFAULTFD ? BASE : [...BASE, USERFAULTFD];
}
