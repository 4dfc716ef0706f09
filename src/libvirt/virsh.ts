import { join } from 'node:path';
import { VhostHostError, printable } from '../common/errors.js';
import { findProgram } from '../host/find-program.js';
import type { Host, RunResult } from '../host/host.js';

/** libvirt, spoken to through `virsh`. */

export const DEFAULT_URI = 'qemu:///system';
const TIMEOUT_MS = 60_000;

/** What `virsh dominfo` tells. */
export interface DomainState {
  readonly name: string;
  readonly uuid: string;
  /** `running`, `shut off`, `paused`, … */
  readonly state: string;
  readonly running: boolean;
  readonly persistent: boolean;
  /** Its memory is on disk, and the next start goes on with the devices of then. */
  readonly managedSave: boolean;
}

function isMissing(error: unknown): boolean {
  return error instanceof VhostHostError && error.details['errno'] === 'ENOENT';
}

/** Why virsh failed, told from its message: its exit code is 1 for everything. */
function failure(uri: string, args: readonly string[], said: string): VhostHostError {
  const lines = said.replace(/^error: /gm, '').replace(/^failed to connect to the hypervisor\n/m, '');
  const reason = printable(lines);
  const details = { uri, args };
  if (/failed to connect to the hypervisor/.test(said) || /Failed to connect socket/.test(said)) {
    const denied = /Permission denied|authentication|access denied|polkit/i.test(said);
    return denied
      ? new VhostHostError('LIBVIRT_UNREACHABLE', `no permission to use libvirt at ${uri}: ${reason}`, {
          hint: 'sudo vhost-host …, or: sudo usermod -aG libvirt $USER, and log in again',
          details: { ...details, denied },
        })
      : new VhostHostError('LIBVIRT_UNREACHABLE', `libvirt does not answer at ${uri}: ${reason}`, {
          hint: 'sudo systemctl start libvirtd (or virtqemud.socket)',
          details,
        });
  }
  if (/failed to get domain|Domain not found/.test(said)) {
    return new VhostHostError('DOMAIN_UNKNOWN', `libvirt at ${uri} knows no domain ${printable(args.at(-1) ?? '')}`, {
      hint: 'vhost-host vm list',
      details,
    });
  }
  return new VhostHostError('LIBVIRT_FAILED', `virsh ${args[0]}: ${reason}`, { details });
}

export class Virsh {
  readonly uri: string;
  readonly #host: Host;

  constructor(host: Host, uri: string | undefined) {
    this.#host = host;
    this.uri = uri ?? host.env('VIRSH_DEFAULT_CONNECT_URI') ?? host.env('LIBVIRT_DEFAULT_URI') ?? DEFAULT_URI;
    if (/^[a-z]+(\+[a-z0-9]+)?:\/\/[^/]/i.test(this.uri)) {
      throw new VhostHostError('USAGE', `${printable(this.uri)} is another machine; switch and guests share memory`, {
        hint: 'run vhost-host on that machine',
      });
    }
  }

  async #try(args: readonly string[]): Promise<RunResult> {
    try {
      // Messages and tables in English, whatever the user reads.
      const options = { env: { LC_ALL: 'C' }, timeoutMs: TIMEOUT_MS };
      return await this.#host.run('virsh', ['-c', this.uri, ...args], options);
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new VhostHostError('LIBVIRT_MISSING', 'virsh is not installed', {
        hint: 'apt-get install libvirt-clients (Debian, Ubuntu) or dnf install libvirt-client (Fedora)',
        cause: error,
      });
    }
  }

  /** Where nothing answers because there is nothing to be started, that is the reason. */
  async #notInstalled(error: VhostHostError): Promise<VhostHostError> {
    if (error.code !== 'LIBVIRT_UNREACHABLE' || error.details['denied'] === true) return error;
    if ((await findProgram(this.#host, 'libvirtd', 'virtqemud')) !== undefined) return error;
    return new VhostHostError('LIBVIRT_MISSING', 'libvirt is not installed: there is neither libvirtd nor virtqemud', {
      hint: 'apt-get install libvirt-daemon-system (Debian, Ubuntu) or dnf install libvirt-daemon-kvm (Fedora)',
      cause: error,
    });
  }

  async #run(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.#try(args);
    if (exitCode !== 0) throw await this.#notInstalled(failure(this.uri, args, stderr));
    return stdout;
  }

  /** Names of all domains, running or not. */
  async names(): Promise<string[]> {
    const out = await this.#run('list', '--all', '--name');
    return out.split('\n').filter((name) => name.trim() !== '');
  }

  /** Numbers of all domains, running or not. */
  async uuids(): Promise<string[]> {
    const out = await this.#run('list', '--all', '--uuid');
    return out.split('\n').filter((uuid) => uuid.trim() !== '');
  }

  async state(domain: string): Promise<DomainState> {
    const out = await this.#run('dominfo', '--', domain);
    const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(out)?.[1]?.trim() ?? '';
    const state = field('State');
    return {
      name: field('Name'),
      uuid: field('UUID'),
      state,
      running: !['shut off', 'crashed', ''].includes(state),
      persistent: field('Persistent') === 'yes',
      managedSave: field('Managed save') === 'yes',
    };
  }

  /** The definition that the next start uses, passwords included: without them they would be lost when it is defined anew. */
  async dumpxml(domain: string): Promise<string> {
    return this.#run('dumpxml', '--inactive', '--security-info', '--', domain);
  }

  /** Defines a domain; the file in `directory` is there only for so long. */
  async define(directory: string, key: string, xml: string): Promise<void> {
    const path = join(directory, `define-${key}.xml`);
    await this.#host.mkdir(directory, 0o700);
    await this.#host.write(path, xml, 0o600);
    try {
      await this.#run('define', '--', path);
    } finally {
      await this.#host.unlink(path);
    }
  }

  /** Version of the daemon as [major, minor]; undefined where it does not say. */
  async version(): Promise<readonly [number, number] | undefined> {
    const out = await this.#run('version', '--daemon');
    const match = /^Running against daemon: (\d+)\.(\d+)/m.exec(out);
    return match === null ? undefined : [Number(match[1]), Number(match[2])];
  }
}
