import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { kernelArguments } from '../guests/guest.js';
import { GuestShell } from '../guests/guest-shell.js';
import { uri } from './libvirt.js';
import type { Libvirt } from './libvirt.js';
import { SerialLine } from './serial.js';

export type Mode = 'native' | 'wrap';

export interface DomainOptions {
  readonly name: string;
  /** libvirt lets only `kvm` domains ask for vhost. */
  readonly type: 'qemu' | 'kvm';
  readonly mac: string;
}

/** Small, so that few hugepages are needed; the test guest runs in half of it. */
export const memoryMb = 128;

/** A domain as somebody may have it who never heard of this switch, down to comments and an element of QEMU's own. */
function stockXml({ name, type, mac }: DomainOptions, vm: string): string {
  return `<domain type='${type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${name}</name>
  <description>kept &amp; brought back</description>
  <memory unit='MiB'>${memoryMb}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${vm}/vmlinux</kernel>
    <initrd>${vm}/initramfs</initrd>
    <cmdline>${kernelArguments}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='bridge'>
      <mac address='${mac}'/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <serial type='unix'><source mode='bind' path='${vm}/${name}.serial'/></serial>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline><qemu:arg value='-boot'/><qemu:arg value='menu=off'/></qemu:commandline>
</domain>
`;
}

/** A domain that libvirt runs, with the shell of its guest. */
export class Domain {
  #shell: GuestShell | undefined;

  private constructor(
    private readonly libvirt: Libvirt,
    readonly name: string,
    readonly mac: string,
  ) {}

  /** A stock domain, defined and not started. */
  static async define(libvirt: Libvirt, options: DomainOptions): Promise<Domain> {
    const { name, mac } = options;
    const domain = new Domain(libvirt, name, mac);
    await domain.redefine(stockXml(options, libvirt.files.vm));
    libvirt.scope.defer(`domain ${name}`, () => domain.destroy().then(() => undefined));
    return domain;
  }

  async redefine(xml: string): Promise<void> {
    await this.libvirt.ok('define', await this.write('domain', xml));
  }

  /** Writes XML to a file that virsh can read, and gives its path. */
  async write(what: string, xml: string): Promise<string> {
    const file = `${this.libvirt.files.vm}/${this.name}.${what}.xml`;
    await writeFile(file, xml);
    return file;
  }

  get serialPath(): string {
    return `${this.libvirt.files.vm}/${this.name}.serial`;
  }

  /** What the user would see and edit. */
  xml(): Promise<string> {
    return this.libvirt.ok('dumpxml', '--inactive', '--security-info', this.name);
  }

  /** Puts it on the switch, as a user does. */
  async attach(mode: Mode): Promise<void> {
    const wrapper = mode === 'wrap' ? ['--wrapper', this.libvirt.wrapper] : [];
    await this.libvirt.vhostHost('vm', 'attach', this.name, '--mode', mode, ...wrapper, '--yes', '--connect', uri);
  }

  /** Takes it off the switch again. */
  async detach(): Promise<void> {
    await this.libvirt.vhostHost('vm', 'detach', this.name, '--yes', '--connect', uri);
  }

  /** Starts it and waits until its guest is up. */
  async boot(): Promise<void> {
    await this.libvirt.ok('start', this.name);
    await this.watch();
  }

  /** Waits until the guest of a domain that was started some other way is up. */
  async watch(): Promise<void> {
    this.#shell = new GuestShell(this.name, await SerialLine.open(this.libvirt.scope, this.serialPath));
    await this.#shell.ready();
  }

  /** The guest, once it has booted. */
  get guest(): GuestShell {
    if (this.#shell === undefined) throw new Error(`domain ${this.name} was not started`);
    return this.#shell;
  }

  async state(): Promise<string> {
    return (await this.libvirt.ok('domstate', this.name)).trim();
  }

  /** Forced off; false where it did not run. */
  async destroy(): Promise<boolean> {
    return (await this.libvirt.virsh('destroy', this.name)).code === 0;
  }

  /** What libvirt keeps of it while it runs. */
  get pidFile(): string {
    return this.libvirt.path(`/run/libvirt/qemu/${this.name}.pid`);
  }

  /** The process that libvirt started for it, by its number inside. */
  async pid(): Promise<number> {
    return Number(await readFile(this.pidFile, 'utf8'));
  }

  /** Something of that process in /proc, as a command inside reads it. */
  async proc(command: 'cat' | 'readlink', file: string): Promise<string> {
    return this.libvirt.space.sh(command, `/proc/${await this.pid()}/${file}`);
  }

  /** Files and sockets that exist only while it runs. */
  leftovers(): string[] {
    return [this.pidFile, this.serialPath].filter((path) => existsSync(path));
  }
}
