import { strict as assert } from 'node:assert';
import { chooseHugepages } from '../../../../src/switch/addon/hugepages.js';
import { failure, fakeHost } from '../support.js';

const SYS = '/sys/kernel/mm/hugepages';

function pool(sizeKb: number, total: number, free: number, promised = 0): Record<string, string> {
  const dir = `${SYS}/hugepages-${sizeKb}kB`;
  return {
    [`${dir}/nr_hugepages`]: `${total}\n`,
    [`${dir}/free_hugepages`]: `${free}\n`,
    [`${dir}/resv_hugepages`]: `${promised}\n`,
  };
}

describe('hugepages for the switch', () => {
  it('are used where enough are free, of any size', async () => {
    const used = { use: true, reason: null };
    assert.deepEqual(await chooseHugepages(fakeHost({ files: pool(2048, 40, 32) }), 'auto', 64), used);
    const files = { ...pool(2048, 0, 0), ...pool(1048576, 1, 1) };
    assert.deepEqual(await chooseHugepages(fakeHost({ files }), 'on', 64), used);
  });

  it('are left alone where too few are free, with the command that fixes it', async () => {
    const host = fakeHost({ files: pool(2048, 40, 31) });
    assert.deepEqual(await chooseHugepages(host, 'auto', 64), {
      use: false,
      reason: `64 MiB in hugepages need 32 pages of 2048 kB, 31 are free: echo 41 > ${SYS}/hugepages-2048kB/nr_hugepages`,
    });
  });

  it('that are promised to others do not count', async () => {
    const host = fakeHost({ files: pool(2048, 40, 40, 30) });
    assert.match((await chooseHugepages(host, 'auto', 64)).reason ?? '', /10 are free/);
  });

  it('that are asked for and missing are an error, with numbers and command', async () => {
    const host = fakeHost({ files: pool(2048, 0, 0) });
    const error = await failure('HUGEPAGES_TOO_FEW', chooseHugepages(host, 'on', 63));
    assert.equal(error.message, '63 MiB in hugepages need 32 pages of 2048 kB, 0 are free');
    assert.equal(error.hint, `echo 32 > ${SYS}/hugepages-2048kB/nr_hugepages`);
    assert.deepEqual(error.details, { needed: 32, free: 0, sizeKb: 2048 });
  });

  it('are not even looked for when they are switched off', async () => {
    const host = { ...fakeHost({}), list: () => Promise.reject(new Error('looked')) };
    assert.deepEqual(await chooseHugepages(host, 'off', 64), { use: false, reason: 'switched off by the settings' });
  });

  it('may not exist at all', async () => {
    assert.deepEqual(await chooseHugepages(fakeHost({}), 'auto', 64), {
      use: false,
      reason: 'this kernel has no hugepages',
    });
    await failure('HUGEPAGES_TOO_FEW', chooseHugepages(fakeHost({}), 'on', 64));
  });
});
