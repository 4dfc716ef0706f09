import { readFileSync } from 'node:fs';
import type { Host, RunResult } from '../../../src/host/host.js';
import { VhostHostError } from '../../../src/common/errors.js';

export interface FakeDomain {
  uuid: string;
  xml: string;
  state: string;
  persistent: boolean;
  managedSave: boolean;
}

const ok = (stdout: string): RunResult => ({ exitCode: 0, stdout, stderr: '' });
const bad = (stderr: string): RunResult => ({ exitCode: 1, stdout: '', stderr });

/** A libvirt that keeps what it is given, as `virsh` answers for it. */
export class FakeLibvirt {
  readonly domains = new Map<string, FakeDomain>();
  readonly calls: string[][] = [];
  version = '9.0.0';
  /** What every call ends with, where there is no talking to it. */
  broken: string | undefined;
  installed = true;
  /** libvirtd is. */
  daemon = true;
  /** Our hook is in its place. */
  hook = true;
  /** What it gives a hook to read. */
  stdin = '';
  /** Command lines of what runs beside it, by process. */
  readonly processes = new Map<string, readonly string[]>();
  /** What becomes of XML that is defined. */
  lays: (xml: string) => string = (xml) => xml;

  add(name: string, xml: string, change: Partial<FakeDomain> = {}): FakeDomain {
    const uuid = `00000000-0000-4000-8000-${String(this.domains.size).padStart(12, '0')}`;
    const domain = { uuid, xml, state: 'shut off', persistent: true, managedSave: false, ...change };
    this.domains.set(name, domain);
    return domain;
  }

  readonly run: Host['run'] = (command, args) => {
    if (command !== 'virsh') return Promise.reject(new Error(`not expected: ${command}`));
    if (!this.installed) {
      const details = { errno: 'ENOENT' };
      return Promise.reject(new VhostHostError('COMMAND_FAILED', 'virsh: ENOENT', { details }));
    }
    this.calls.push([...args]);
    return Promise.resolve(this.broken === undefined ? this.#answer(args.slice(2)) : bad(this.broken));
  };

  #answer([verb, ...rest]: readonly string[]): RunResult {
    const wanted = rest.at(-1) ?? '';
    if (verb === 'list') {
      const uuids = [...this.domains.values()].map(({ uuid }) => uuid);
      return ok([...(rest.includes('--uuid') ? uuids : this.domains.keys()), ''].join('\n'));
    }
    if (verb === 'version') return ok(`Using library: libvirt 9.9.9\nRunning against daemon: ${this.version}`);
    if (verb === 'define') return this.#define(readFileSync(wanted, 'utf8'));
    const found = [...this.domains].find(([name, { uuid }]) => name === wanted || uuid === wanted);
    if (found === undefined) return bad(`error: failed to get domain '${wanted}'`);
    const [name, { uuid, state, persistent, managedSave, xml }] = found;
    if (verb === 'dumpxml') return ok(xml);
    const yes = (value: boolean): string => (value ? 'yes' : 'no');
    const facts = { Id: '-', Name: name, UUID: uuid, 'OS Type': 'hvm', State: state };
    const more = { Persistent: yes(persistent), 'Managed save': yes(managedSave) };
    const lines = Object.entries({ ...facts, ...more }).map(([key, value]) => `${key}:`.padEnd(16) + value);
    return verb === 'dominfo' ? ok(lines.join('\n')) : bad(`error: unknown command: '${verb}'`);
  }

  #define(xml: string): RunResult {
    const name = /<name>(.*?)<\/name>/.exec(xml)?.[1] ?? '';
    const domain = this.domains.get(name);
    if (domain === undefined) return bad('error: not expected');
    domain.xml = this.lays(xml);
    return ok(`Domain '${name}' defined`);
  }
}
