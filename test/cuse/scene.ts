import { strict as assert } from 'node:assert';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { CAPABILITIES } from '../../src/hostsetup/service/unit.js';
import { leaving } from '../helpers/capabilities.js';
import { tempDir } from '../helpers/paths.js';
import { PingGuest } from '../helpers/guests/ping-guest.js';
import { Qmp } from '../helpers/guests/qmp.js';
import { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** Runs in the machine of `test/helpers/guests/machine.ts`, where all is slow: see `test/machines/cuse.test.ts`. */

export const SLOW = 240_000;
export const DEVICE = '/dev/usvhost-1';
/** Of a port that a guest finds by its address. */
export const WIDE = '/dev/usvhost-7';
/** Of a port whose guest has come by its socket. */
export const SHARED = '/dev/usvhost-8';
/** Of a port whose guest comes from another. */
export const ARRIVAL = '/dev/usvhost-9';
/** Some group, whom the devices are opened to. */
export const GROUP = 4711;

const BOTH = ['user', 'cuse'];
/** As the service has it: less than root, and the group for its own. */
const BY = ['setpriv', ...leaving(CAPABILITIES, String(GROUP))];

const PORTS = [
  { name: 'asking-hostnet1', transports: ['cuse'] },
  { name: 'answering-hostnet1', transports: BOTH, devIndex: 8 },
  { name: 'by-address', mac: '52:54:00:00:00:04', transports: BOTH, queues: 2, devIndex: 7 },
  { name: 'arriving-hostnet1', transports: ['cuse'], devIndex: 9 },
];

/** A switch and two guests, which the tests here share one after the other: starting them takes most of their time. */
class Scene {
  readonly scope = new Scope();
  dir = '';
  #vswitch: Switch | undefined;
  #asking: PingGuest | undefined;
  #answering: PingGuest | undefined;
  #log = '';

  get vswitch(): Switch {
    assert.ok(this.#vswitch);
    return this.#vswitch;
  }

  /** On DEVICE. */
  get asking(): PingGuest {
    assert.ok(this.#asking);
    return this.#asking;
  }

  /** On vhost-user. */
  get answering(): PingGuest {
    assert.ok(this.#answering);
    return this.#answering;
  }

  async begin(): Promise<void> {
    assert.equal(hostname(), 'machine', 'this test changes /etc and belongs into its machine');
    for (const script of ['/etc/qemu-ifup', '/etc/qemu-ifdown']) {
      writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    }
    this.dir = await tempDir(this.scope);
    const socket = { mode: '0640', group: String(GROUP) };
    writeFileSync(`${this.dir}/switch.json`, JSON.stringify({ ports: PORTS, socket }));
    await this.startSwitch();
    this.#answering = await PingGuest.start(this.scope, { name: 'answering', me: 2, runDir: this.vswitch.runDir });
    await this.startAsking();
  }

  /** Another one than before, if there was one. */
  async startSwitch(): Promise<void> {
    this.#log += this.#vswitch?.process?.output ?? '';
    const args = ['--config', `${this.dir}/switch.json`, '--hugepages', 'off'];
    this.#vswitch = await Switch.start(this.scope, { runDir: `${this.dir}/run`, args, by: BY, deadline: SLOW });
  }

  /** A guest with the asking one's address, and with memory that can be added to. */
  guest(name: string, args: readonly string[]): Promise<PingGuest> {
    const memory = '64,slots=2,maxmem=1G';
    return PingGuest.start(this.scope, { name, me: 1, ask: 2, runDir: this.vswitch.runDir, memory, args });
  }

  async startAsking(...args: string[]): Promise<void> {
    this.#asking = await this.guest('asking', ['-qmp', `unix:${this.dir}/qmp,server=on,wait=off`, ...args]);
  }

  /** With the monitor of the asking one. */
  async monitor(work: (qmp: Qmp) => Promise<void>): Promise<void> {
    const line = connect(`${this.dir}/qmp`);
    const undefer = this.scope.defer('the monitor', () => void line.destroy());
    await work(await Qmp.greet(line));
    line.destroy();
    undefer();
  }

  /** Waits until a port has no guest any more. */
  async free(name: string): Promise<void> {
    const waits = async (): Promise<boolean> => (await this.vswitch.port(name)).state === 'waiting';
    await until(waits, { deadline: SLOW, what: `${name} to be free` });
  }

  /** Waits until the switch or the bridge has said it: a line comes later than what it tells of. */
  async says(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.said()), { deadline: SLOW, what: `${String(pattern)} in the log` });
  }

  /** What the switch said, all of them, and the bridge. */
  said(): string {
    return this.#log + this.vswitch.process?.output + readFileSync(`${this.dir}/run/switch.log`, 'utf8');
  }
}

export const scene = new Scene();
/** Of the log, what a failure is told with. */
const TAIL = 4000;
afterEach(function () {
  if (this.currentTest?.state === 'failed') process.stderr.write(scene.said().slice(-TAIL));
});
after(() => scene.scope.close());
