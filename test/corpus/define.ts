import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { unifiedDiff } from '../../src/common/diff.js';
import { readDomain } from '../../src/libvirt/domain/domain.js';
import { XmlDocument } from '../../src/libvirt/xml/document.js';
import { Libvirt, uri } from '../helpers/libvirt/libvirt.js';
import { withScope } from '../helpers/scope.js';
import { DomainDesk } from './desk.js';
import { domainSamples, mayKeep, withoutSharing } from './domains.js';
import type { Source } from './files.js';
import { Report } from './report.js';

/** That of this Debian, whose libvirt is installed: every other's data has things that this one does not know. */
const SUITE = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
const AT_ONCE = 50;
const DEADLINE_MS = 300_000;

interface Case {
  readonly name: string;
  readonly text: string;
}

/** libvirt's own word on domains: what it makes of each, and nothing where it refuses. */
class Definer {
  #files = 0;

  constructor(private readonly libvirt: Libvirt) {}

  /** Defines, reads back and undefines each in turn. */
  async define(cases: readonly Case[]): Promise<Map<string, string>> {
    const dumps = new Map<string, string>();
    for (let first = 0; first < cases.length; first += AT_ONCE) {
      const some = cases.slice(first, first + AT_ONCE);
      const script: string[] = [];
      for (const [i, { text }] of some.entries()) {
        const { name } = readDomain(XmlDocument.parse(text));
        const file = await this.#write(text);
        const dump = `dumpxml '${name}' --inactive --security-info`;
        script.push(`echo @corpus-${i}@`, `define ${file}`, dump, `undefine '${name}' --keep-nvram`);
      }
      const args = ['--connect', uri, '--quiet', script.join('; ')];
      const { stdout } = await this.libvirt.space.run('virsh', args, { deadline: DEADLINE_MS });
      for (const part of stdout.split('@corpus-')) {
        const dump = /<domain[\s>][^]*<\/domain>/.exec(part)?.[0];
        const of = some[Number.parseInt(part, 10)];
        if (dump !== undefined && of !== undefined) dumps.set(of.name, dump);
      }
    }
    return dumps;
  }

  /** Why it refuses a text. */
  async reason(text: string): Promise<string> {
    const { stderr } = await this.libvirt.virsh('define', '--validate', await this.#write(text));
    return stderr.trim().replaceAll(/\s*\n\s*/g, ' ');
  }

  async #write(text: string): Promise<string> {
    const dir = `${this.libvirt.files.vm}/corpus`;
    await mkdir(dir, { recursive: true });
    const file = `${dir}/${this.#files++}.xml`;
    await writeFile(file, text);
    return file;
  }
}

/** A name and a number of its own for each: most of the domains share theirs. */
function told({ name, text }: Case, i: number): Case {
  const uuid = /<uuid>\s*([^<\s]+)\s*<\/uuid>/.exec(text)?.[1];
  const own = `00000000-0000-4000-8000-${i.toString(16).padStart(12, '0')}`;
  const numbered = uuid === undefined ? text : text.replaceAll(uuid, own);
  return { name, text: numbered.replace(/<name>[^<]*<\/name>/, `<name>d${i}</name>`) };
}

/** Those that are no XML, or name no domain, are the business of `domains`. */
function isNamed({ text }: Case): boolean {
  try {
    return /^d\d+$/.test(readDomain(XmlDocument.parse(text)).name);
  } catch {
    return false;
  }
}

/** The first lines that differ. */
function difference(before: string, after: string): string {
  const lines = unifiedDiff('', before, after).split('\n');
  return lines
    .filter((line) => /^[-+] /.test(line))
    .slice(0, 6)
    .join(' ')
    .replaceAll(/\s+/g, ' ');
}

/** Attaches each; those that attach refuses or leaves alone are the business of `domains`. */
async function attachAll(cases: readonly Case[]): Promise<{ desks: Map<string, DomainDesk>; attached: Case[] }> {
  const desks = new Map<string, DomainDesk>();
  const attached: Case[] = [];
  for (const { name, text } of cases) {
    const desk = new DomainDesk(text);
    const { failure } = await desk.vm('attach', '--mode', 'native');
    if (failure !== undefined || desk.text === text) continue;
    desks.set(name, desk);
    attached.push({ name, text: desk.text });
  }
  return { desks, attached };
}

async function accepted(definer: Definer, cases: readonly Case[], what: string, report: Report) {
  const dumps = await definer.define(cases);
  for (const { name, text } of cases) {
    if (!dumps.has(name)) report.fault(name, `${what} is rejected: ${await definer.reason(text)}`);
  }
  return dumps;
}

async function checkAll(definer: Definer, cases: readonly Case[], report: Report): Promise<void> {
  report.count('domains', cases.length);
  const first = await definer.define(cases);
  // Read once more: libvirt puts controllers that it added itself in another order then.
  const before = await definer.define([...first].map(([name, text]) => ({ name, text })));
  report.count('taken by libvirt', before.size);
  if (before.size === 0) report.fault('all', 'libvirt takes none of the domains: nothing was checked');
  const files = await attachAll(cases.filter(({ name }) => before.has(name)));
  await accepted(definer, files.attached, 'the file after attach', report);
  const own = await attachAll([...before].map(([name, text]) => ({ name, text })));
  report.count('attached', own.attached.length);
  const during = await accepted(definer, own.attached, "libvirt's own XML after attach", report);
  const detached: Case[] = [];
  for (const [name, text] of during) {
    const desk = own.desks.get(name);
    if (desk === undefined) continue;
    desk.text = text;
    const { failure } = await desk.vm('detach');
    if (failure !== undefined) report.fault(name, `detach of what libvirt made of it: ${failure}`);
    else detached.push({ name, text: desk.text });
  }
  const after = await accepted(definer, detached, 'the domain after detach', report);
  for (const [name, text] of after) {
    const was = before.get(name) ?? '';
    const kept = text.includes('vhost-host:attached') && mayKeep(was);
    if (kept) report.count('keep memory shared for another device');
    if (kept ? withoutSharing(text) !== withoutSharing(was) : text !== was)
      report.fault(name, `another domain than before attach: ${difference(was, text)}`);
  }
}

/** What a real libvirt takes before attach it takes after it, and after detach it is the same domain for it. */
export async function checkDefine(all: readonly Source[]): Promise<Report> {
  const report = new Report('define');
  // Without it libvirt knows no domain of that type, and nearly all of it is the same for the other one.
  const type = existsSync('/dev/kvm') ? 'kvm' : 'qemu';
  const cases = all
    .filter(({ suite }) => suite === SUITE)
    .flatMap((source) => domainSamples(source))
    .map(({ name, text }) => ({ name, text: text.replace(/(<domain\b[^>]*\btype=['"])(kvm|qemu)/, `$1${type}`) }))
    .filter(({ text }) => /<domain\b[^>]*\btype=['"](kvm|qemu)/.test(text))
    .map(told)
    .filter(isNamed);
  await withScope(async (scope) => checkAll(new Definer(await Libvirt.start(scope)), cases, report));
  return report;
}
