import { strict as assert } from 'node:assert';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { realHost } from '../../../../src/host/node-host.js';
import { HOOK } from '../../../../src/libvirt/install/hook.js';
import { withDir } from '../../switch/support.js';
import { FakeLibvirt } from '../fake-libvirt.js';
import { FlagLedger } from '../flags.js';
import { Desk, withSwitch } from '../support.js';
import type { Outcome } from '../support.js';
import type { Host } from '../../../../src/host/host.js';

export const XML = `<domain type='kvm'>
  <name>web</name>
  <memory unit='KiB'>262144</memory>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='br0'/>
      <vlan>
        <tag id='7'/>
      </vlan>
      <model type='virtio'/>
    </interface>
    <interface type='network'>
      <mac address='52:54:00:00:00:02'/>
      <source network='default'/>
      <model type='virtio'/>
    </interface>
  </devices>
</domain>`;

/** Shared by all files about `vm`; `vm-used.test.ts`, which mocha loads last of them, looks at it. */
export const flags = new FlagLedger();

export interface Scene {
  readonly dir: string;
  readonly runDir: string;
  readonly libvirt: FakeLibvirt;
  readonly desk: Desk;
  readonly state: string;
  readonly vm: (...args: string[]) => Promise<Outcome>;
}

/** The real file system but for the kernel's facts: no hugepages, no AppArmor; and no libvirt but ours. */
function fakeHost(libvirt: FakeLibvirt, state: string): Host {
  const real = (path: string): boolean => !/^\/(sys|proc|etc)\//.test(path);
  return {
    ...realHost,
    run: (command, args, options) =>
      command === 'virsh'
        ? libvirt.run(command, args, options)
        : Promise.resolve({ exitCode: 0, stdout: 'tmpfs', stderr: '' }),
    env: (name) => (name === 'VHOST_HOST_STATE_DIR' ? state : undefined),
    list: (path) => {
      if (path === '/proc') return Promise.resolve([...libvirt.processes.keys()]);
      return real(path) ? realHost.list(path) : Promise.resolve([]);
    },
    readOptional: (path) => {
      const words = libvirt.processes.get(/^\/proc\/(\d+)\/cmdline$/.exec(path)?.[1] ?? '');
      if (words !== undefined) return Promise.resolve(`${words.join('\0')}\0`);
      return real(path) ? realHost.readOptional(path) : Promise.resolve(undefined);
    },
    read: (path) => (path === '/proc/self/fd/0' ? Promise.resolve(libvirt.stdin) : realHost.read(path)),
    stat: (path) => {
      if (path === HOOK) return libvirt.hook ? realHost.stat('/bin/sh') : Promise.resolve(undefined);
      if (/\/(libvirtd|virtqemud)$/.test(path)) {
        const there = libvirt.daemon && path === '/usr/sbin/libvirtd';
        return there ? realHost.stat('/bin/sh') : Promise.resolve(undefined);
      }
      return path === '/usr/bin/qemu-system-x86_64' ? realHost.stat('/bin/sh') : realHost.stat(path);
    },
  };
}

function scene(dir: string, desk = new Desk(), runDir = join(dir, 'none')): Scene {
  const libvirt = new FakeLibvirt();
  const state = join(dir, 'state');
  desk.fakeHost = fakeHost(libvirt, state);
  // Hints name the run directory of the call (mistakes.test.ts); here it would only be noise.
  const vm = async (...args: string[]): Promise<Outcome> => {
    const outcome = await flags.run(desk, 'vm', ...args, '--run-dir', runDir);
    return {
      ...outcome,
      err: outcome.err.map((line) => (args[0] === 'hook' ? line : line.replaceAll(` --run-dir ${runDir}`, ''))),
    };
  };
  return { dir, runDir, libvirt, desk, state, vm };
}

/** The XML of a domain as libvirt gives it, with its number. */
export const numbered = (xml: string, uuid: string): string =>
  xml.replace(/ *<uuid>.*<\/uuid>\n/, '').replace('</name>', `</name>\n  <uuid>${uuid}</uuid>`);

/** Without what attach has written into the XML: as somebody has it who made it by hand. */
export const byHand = (xml: string): string => xml.replace(/ *<metadata>[^]*<\/metadata>\n/, '');

export const withScene = (work: (scene: Scene) => Promise<void>): Promise<void> => withDir((dir) => work(scene(dir)));

/** The same beside a running switch. */
export const withRunning = (work: (scene: Scene) => Promise<void>): Promise<void> =>
  withDir((dir) => withSwitch(join(dir, 'run'), [], (desk) => work(scene(dir, desk, join(dir, 'run')))));

export function saved(state: string): string[] {
  return existsSync(join(state, 'domains')) ? readdirSync(join(state, 'domains')) : [];
}

/** Numbers of two domains. */
export const A = '5b2c1b0e-0000-4000-8000-00000000000a';
export const B = '5b2c1b0e-0000-4000-8000-00000000000b';
export const ONE_NIC = XML.replace(/ *<interface type='network'>[^]*?<\/interface>\n/, '');

/** A stock domain with its number, put on the switch. */
export async function attached({ vm, libvirt }: Scene, ...options: string[]): Promise<{ xml: string }> {
  const web = libvirt.add('web', numbered(ONE_NIC, A), { uuid: A });
  const { code, err } = await vm('attach', 'web', '--yes', ...options);
  assert.equal(code, 0, err.join('\n'));
  return web;
}
