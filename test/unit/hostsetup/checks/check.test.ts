import { strict as assert } from 'node:assert';
import { CHECKS, checkHost } from '../../../../src/hostsetup/checks/index.js';
import type { Checked } from '../../../../src/hostsetup/checks/index.js';
import { Look } from '../../../../src/host/tolerant-reader.js';
import { readHostFacts } from '../../../../src/hostsetup/facts/index.js';
import { MIB } from '../../../../src/common/bytes.js';
import { mistakeIn } from '../../cli/flags.js';
import { MemoryHost } from '../../host/memory-host.js';
import { AROUND_CASES } from './cases-around.js';
import { DPDK_CASES } from './cases-dpdk.js';
import { HOST_CASES } from './cases-host.js';
import { AROUND, LIBVIRT, TOO_FEW, WEB, pages } from './support.js';
import type { Case } from './support.js';
import { arm64, debian12, image, rhel9 } from '../systems.js';

const seen = new Set<string>();

async function check({ on = debian12(), around, libvirt, facts }: Case): Promise<Checked[]> {
  const host = { ...(await readHostFacts(new Look(on.host))), ...facts };
  const view = libvirt === undefined ? {} : { libvirt: { ...LIBVIRT, ...libvirt } };
  const checked = checkHost({ host, around: { ...AROUND, ...view, ...around } });
  for (const { id, state, reason, fix } of checked) {
    seen.add(`${id} ${state}`);
    assert.ok(reason !== '' && fix !== '');
    for (const [, call = ''] of (fix ?? '').matchAll(/\bvhost-host ([^;|&]*)/g))
      assert.equal(mistakeIn(call.trim().split(' ')), undefined, fix);
    if (state === 'warning' || state === 'error') assert.ok(fix !== undefined, `${id} says nothing to fix it`);
  }
  return checked;
}

describe('check: each thing it looks at', () => {
  for (const [what, given, wanted, text] of [...HOST_CASES, ...DPDK_CASES, ...AROUND_CASES]) {
    it(`${wanted}: ${what}`, async () => {
      const all = await check(given);
      const [id = ''] = wanted.split(' ');
      const said = all
        .filter((one) => one.id === id)
        .map((one) => `${one.id} ${one.state}\n${one.reason}\n${one.fix ?? ''}`.trimEnd());
      assert.ok(
        said.some((one) => one.startsWith(`${wanted}\n`) && text.test(one)),
        `${text} is not in ${said.join('; ')}`,
      );
    });
  }

  it('a host that others depend on is told which of its cards are its own', async () => {
    const nics = (await check({ on: rhel9() })).filter(({ id }) => id === 'nics');
    assert.deepEqual(
      nics.map(({ state }) => state),
      ['ok', 'ok', 'info', 'ok'],
    );
    assert.match(nics[2]?.reason ?? '', /0000:04:00\.0 \(eno1, igb\) is the host's own: .*the default route on br0\.5/);
  });

  it('a shortage of the whole host is told once, and not again with the guest', async () => {
    const domains = [{ ...WEB, pages: pages(2 * MIB, 9), findings: [TOO_FEW] }];
    const all = await check({ libvirt: {}, around: { domains } });
    assert.deepEqual(
      all.filter(({ state }) => state === 'error').map(({ id }) => id),
      ['hugepages-demand', 'hugetlbfs'],
    );
  });

  it('a guest that runs has its pages', async () => {
    const domains = [{ ...WEB, running: true, pages: pages(2 * MIB, 9) }];
    const all = await check({ libvirt: {}, around: { domains } });
    assert.deepEqual(
      all.filter(({ id }) => id === 'hugepages-demand').map(({ state }) => state),
      ['info'],
    );
  });

  it('of an image nothing is said that only a running system has', async () => {
    const groups = new Set((await check({ on: image() })).map(({ id }) => id));
    assert.deepEqual([...groups], ['system', 'image-hugepages', 'hugetlbfs-size', 'libvirt']);
  });

  it('arm64 is not asked for flags of another processor', async () => {
    assert.ok(!(await check({ on: arm64() })).some(({ id }) => id === 'hugepages-1g'));
  });

  it('an empty system is looked at like any other', async () => {
    assert.equal((await check({ on: new MemoryHost() })).find(({ id }) => id === 'system')?.state, 'info');
  });

  it('last: every check came to every state it declares, and to no other', () => {
    const declared = CHECKS.flatMap(({ id, states }) => states.map((state) => `${id} ${state}`));
    assert.deepEqual([...seen].sort(), declared.sort());
    assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  });
});
