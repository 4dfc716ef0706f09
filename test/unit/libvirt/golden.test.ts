import { strict as assert } from 'node:assert';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { unifiedDiff } from '../../../src/common/diff.js';
import { VhostHostError } from '../../../src/common/errors.js';
import { PROPERTIES } from '../../../src/libvirt/domain/properties.js';
import { XmlDocument } from '../../../src/libvirt/xml/document.js';
import { attach, explanation, poolsWith } from './domain-support.js';
import type { Spec } from './domain-support.js';

/**
 * Every `NAME.in.xml` is a domain: `recorded/` was given to a real libvirt, `written/` is by hand, with the
 * options in `NAME.json`. `NAME.out` is what attach says and does, on a host without hugepages and on one
 * with 4 GiB of them. UPDATE_GOLDEN=1 writes them anew; a missing one fails.
 */

const ROOT = 'test/golden/domain';
const HOSTS = { plain: 0, huge: 2048 };
const touched = new Set<string>();

function render(text: string, spec: Spec, free2M: number): string {
  try {
    const draft = attach(text, spec, poolsWith(free2M, 0));
    for (const { property } of draft.changes) touched.add(property);
    // What was edited must read as XML for both readers, and attaching it again must find nothing to do.
    XmlDocument.parse(draft.doc.text);
    assert.deepEqual(attach(draft.doc.text, spec, poolsWith(0, 0)).changes, []);
    return [...explanation(draft), unifiedDiff('domain', text, draft.doc.text)].join('\n');
  } catch (error) {
    if (!(error instanceof VhostHostError)) throw error;
    return `error ${error.code}: ${error.message}\n${error.hint ?? ''}\n`;
  }
}

function compare(name: string, sections: readonly (readonly [string, string])[]): void {
  const got = sections.map(([title, text]) => `== ${title}\n${text}`).join('\n');
  const path = `${ROOT}/${name}.out`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, got);
  assert.equal(got, readFileSync(path, 'utf8'));
}

function inputs(folder: string): string[] {
  const names = readdirSync(`${ROOT}/${folder}`).filter((name) => name.endsWith('.in.xml'));
  return names.map((name) => `${folder}/${name.slice(0, -'.in.xml'.length)}`);
}

const text = (name: string): string => readFileSync(`${ROOT}/${name}.in.xml`, 'utf8');

describe('golden domains', () => {
  it('there are some', () => assert.ok(inputs('recorded').length > 30 && inputs('written').length > 15));

  for (const name of inputs('recorded')) {
    it(name, () => {
      // One that is on another vhost-user switch is only taken when it is named.
      const nic = text(name).includes("type='vhostuser'") ? '0' : 'all';
      const sections = Object.entries(HOSTS).flatMap(([host, free]) =>
        (['native', 'wrap'] as const).map(
          (mode) => [`${mode} on a ${host} host`, render(text(name), { mode, nic }, free)] as const,
        ),
      );
      compare(name, sections);
    });
  }

  for (const name of inputs('written')) {
    it(name, () => {
      const spec = JSON.parse(readFileSync(`${ROOT}/${name}.json`, 'utf8')) as Spec;
      compare(
        name,
        Object.entries(HOSTS).map(([host, free]) => [`on a ${host} host`, render(text(name), spec, free)] as const),
      );
    });
  }

  it('every property of the table was changed in one of these', () => {
    assert.deepEqual([...touched].sort(), Object.keys(PROPERTIES).sort());
  });
});
