import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HOOK, hookText } from '../../../src/libvirt/install/hook.js';
import type { Child, Finished } from '../child.js';
import type { Scope } from '../scope.js';
import { Switch } from '../switch.js';
import { until } from '../until.js';
import { makeFiles } from './files.js';
import type { Files } from './files.js';
import { Namespace } from './namespace.js';

const READY_DEADLINE_MS = 30_000;
export const uri = 'qemu:///system';

/** A host of the test's own inside of this machine: Debian's libvirtd, a bridge, and room for a switch. */
export class Libvirt {
  #daemon: Child | undefined;

  private constructor(
    readonly scope: Scope,
    readonly space: Namespace,
    readonly files: Files,
  ) {}

  static async start(scope: Scope): Promise<Libvirt> {
    const space = await Namespace.create(scope);
    const self = new Libvirt(scope, space, await makeFiles(scope, space));
    await space.sh('ip', 'link', 'set', 'lo', 'up');
    await space.sh('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await space.sh('ip', 'link', 'set', 'br0', 'up');
    await self.#placePrograms();
    await self.startDaemon();
    return self;
  }

  /** qemu-wrap where QEMU's user may start it, the node it plans with, and the emulator behind it. */
  async #placePrograms(): Promise<void> {
    const { dir } = this.files;
    await mkdir(`${dir}/bin`);
    await writeFile(`${dir}/bin/node`, '');
    await this.space.sh('mount', '--bind', process.execPath, `${dir}/bin/node`);
    await this.configureWrapper();
    await this.#installHook();
  }

  /** As `vhost-host libvirt setup` does; libvirtd asks whether there are any only when it starts. */
  async #installHook(): Promise<void> {
    const { dir, repo } = this.files;
    await mkdir(this.path(dirname(HOOK)), { recursive: true });
    const text = hookText({ node: `${dir}/bin/node`, packageRoot: repo, runDir: '/run/vhost-host' });
    await writeFile(this.path(HOOK), text, { mode: 0o755 });
  }

  /** The path that goes into a domain's `<emulator>`. */
  get wrapper(): string {
    return `${this.files.repo}/bin/qemu-wrap`;
  }

  /** What lies inside at an absolute path below one of the private directories, seen from here. */
  path(inside: string): string {
    return `${this.files.dir}${inside}`;
  }

  /** Writes qemu-wrap's configuration: which emulator is behind it, and what else is wanted. */
  async configureWrapper(more: object = {}): Promise<void> {
    const emulator = `${this.files.repo}/test/helpers/libvirt/qemu-tcg`;
    await writeFile(this.path('/etc/vhost-host/qemu-wrap.json'), `${JSON.stringify({ emulator, ...more })}\n`);
  }

  /** As the system's service: whatever it starts lives on without it. */
  async startDaemon(): Promise<void> {
    const env = { PATH: `${this.files.dir}/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
    const daemon = await this.space.start('libvirtd', 'libvirtd', [], { env });
    this.#daemon = daemon;
    await until(
      async () => {
        if (daemon.end !== undefined) throw new Error(`libvirtd ended: ${daemon.output}`);
        return (await this.virsh('version')).code === 0;
      },
      { deadline: READY_DEADLINE_MS, what: 'libvirtd to answer' },
    );
  }

  /** As after an upgrade of its package. */
  async restartDaemon(): Promise<void> {
    await this.#daemon?.stop();
    await this.startDaemon();
  }

  /** A bad exit code is an answer. */
  virsh(...args: string[]): Promise<Finished> {
    return this.space.run('virsh', ['--connect', uri, ...args]);
  }

  /** For what must succeed; gives what virsh prints. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.virsh(...args);
    if (code !== 0) throw new Error(`virsh ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Starts the switch as the system's, in /run/vhost-host. */
  async startSwitch(): Promise<Switch> {
    this.scope.defer('the switch', () => this.stopSwitch());
    await this.vhostHost('start');
    return Switch.at(this.scope, this.path('/run/vhost-host'));
  }

  /** One that does not run is fine. */
  async stopSwitch(): Promise<void> {
    const { code, stdout } = await this.cli('stop', '--json');
    if (code !== 0 && !stdout.includes('SWITCH_NOT_RUNNING')) throw new Error(`vhost-host stop: ${stdout}`);
  }

  /** Runs the CLI inside; a bad exit code is an answer. */
  cli(...args: string[]): Promise<Finished> {
    return this.space.run(`${this.files.repo}/bin/vhost-host`, args);
  }

  /** For what must succeed; gives what it prints. */
  async vhostHost(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli(...args);
    if (code !== 0) throw new Error(`vhost-host ${args.join(' ')}: ${stderr}`);
    return stdout;
  }
}
