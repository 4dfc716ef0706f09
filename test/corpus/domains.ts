import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { XMLParser } from 'fast-xml-parser';
import { XmlDocument } from '../../src/libvirt/xml/document.js';
import { runToEnd } from '../helpers/child.js';
import { root } from '../helpers/paths.js';
import { withScope } from '../helpers/scope.js';
import type { Scope } from '../helpers/scope.js';
import { DomainDesk } from './desk.js';
import { samples } from './files.js';
import type { Sample, Source } from './files.js';
import { Report, isClear } from './report.js';

/** Where libvirt's tests keep domains, of all its drivers. */
const folders = /xml|domain/;
const AT_ONCE = 200;
const DEADLINE_MS = 300_000;

/** A domain before and after attach. */
export interface Pair extends Sample {
  readonly attached: string;
}

export function domainSamples(source: Source): Sample[] {
  return samples(source, folders, '.xml').filter(({ text }) =>
    /^\s*(<\?xml[^>]*>|<!--[^]*?-->|\s)*<domain[\s>]/.test(text),
  );
}

const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false });

/** The same to libvirt, which takes elements of different names in any order. */
const same = (a: string, b: string): boolean => isDeepStrictEqual(parser.parse(a), parser.parse(b));

/** Another device of the domain needs shared memory, so that detach without the original leaves it shared, and says so. */
export const mayKeep = (text: string): boolean => /(type|name)=['"](vhostuser|virtiofs|vhost-user)['"]/.test(text);

/** All but what tells how memory is shared. */
export function withoutSharing(text: string): string {
  return text
    .replaceAll(
      /<metadata>[^]*<\/metadata>|<memoryBacking>[^]*<\/memoryBacking>|<memoryBacking\/>| memAccess='shared'/g,
      '',
    )
    .replaceAll(/>\s+</g, '><');
}

async function wayBack(sample: Sample, mode: string, report: Report): Promise<Pair | undefined> {
  const name = `${sample.name} (${mode})`;
  const desk = new DomainDesk(sample.text);
  const { failure, known } = await desk.vm('attach', '--mode', mode);
  if (failure !== undefined) {
    if (!known) report.fault(name, `attach crashed: ${failure}`);
    else if (!isClear(failure)) report.fault(name, `unclear refusal: ${failure}`);
    else report.refuse(failure);
    if (desk.text !== sample.text) report.fault(name, 'refused, but the file was changed');
    return undefined;
  }
  const attached = desk.text;
  if (attached === sample.text) {
    report.count('left alone');
    return undefined;
  }
  report.count('attached');
  XmlDocument.parse(attached);
  const again = await desk.vm('attach', '--mode', mode);
  if (again.failure !== undefined || desk.text !== attached) {
    report.fault(name, `attached once more: ${again.failure ?? 'it changes again'}`);
    desk.text = attached;
  }
  const back = await desk.vm('detach');
  if (back.failure !== undefined) report.fault(name, `detach: ${back.failure}`);
  else if (desk.text !== sample.text) report.fault(name, 'detach does not give the original back byte for byte');
  const left = [...desk.memory.entries.keys()].filter((path) => /\/domains\/.+/.test(path));
  if (left.length > 0) report.fault(name, `left behind: ${left.join(' ')}`);
  // The record is lost, as with a snapshot's XML on another host: what the XML itself remembers must do.
  desk.text = attached;
  desk.forget();
  const alone = await desk.vm('detach');
  if (alone.failure !== undefined) report.fault(name, `detach from its XML alone: ${alone.failure}`);
  else if (mayKeep(sample.text) && same(withoutSharing(desk.text), withoutSharing(sample.text))) {
    report.count('keep memory shared for another device');
  } else if (!same(desk.text, sample.text)) {
    report.fault(name, 'detach from its XML alone does not give back what was there');
  }
  return { name, text: sample.text, attached };
}

/** Names of those files that the schema takes. */
async function valid(scope: Scope, schema: string, files: readonly string[]): Promise<Set<string>> {
  const taken = new Set<string>();
  for (let first = 0; first < files.length; first += AT_ONCE) {
    const args = ['--noout', '--nonet', '--relaxng', schema, ...files.slice(first, first + AT_ONCE)];
    const { stderr } = await runToEnd(scope, 'xmllint', args, { deadline: DEADLINE_MS });
    for (const [, file = ''] of stderr.matchAll(/^(.*) validates$/gm)) taken.add(file);
  }
  return taken;
}

/** What libvirt's schema takes before attach it takes after it. */
async function checkSchema({ dir }: Source, pairs: readonly Pair[], report: Report): Promise<void> {
  const work = join(root, 'build', 'corpus.work');
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const schema = join(dir, 'src/conf/schemas/domain.rng');
  await withScope(async (scope) => {
    scope.defer(work, () => rm(work, { recursive: true, force: true }));
    for (const [i, { text, attached }] of pairs.entries()) {
      await writeFile(`${work}/${i}.before`, text);
      await writeFile(`${work}/${i}.after`, attached);
    }
    const places = pairs.map((_, i) => `${work}/${i}`);
    const before = await valid(
      scope,
      schema,
      places.map((place) => `${place}.before`),
    );
    const after = await valid(
      scope,
      schema,
      places.map((place) => `${place}.after`),
    );
    report.count('valid by the schema', before.size);
    for (const [i, { name }] of pairs.entries()) {
      if (before.has(`${places[i]}.before`) && !after.has(`${places[i]}.after`)) {
        report.fault(name, 'valid before attach, and not after it');
      }
    }
    if (pairs.length > 0 && before.size === 0) report.fault(schema, 'takes none of the domains: nothing was checked');
  });
}

/** Every domain of libvirt's tests to the switch and back. */
export async function checkDomains(all: readonly Source[]): Promise<Report> {
  const report = new Report('domains');
  for (const source of all) {
    const pairs: Pair[] = [];
    for (const sample of domainSamples(source)) {
      report.count('domains');
      for (const mode of ['native', 'wrap']) {
        const pair = await wayBack(sample, mode, report).catch((error: unknown) => {
          report.fault(`${sample.name} (${mode})`, `crash: ${String((error as Error).stack)}`);
        });
        if (pair !== undefined) pairs.push(pair);
      }
    }
    await checkSchema(source, pairs, report);
  }
  return report;
}
