import { deepEqual, equal } from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SPELLINGS, spelled } from '../../helpers/spellings.js';
import { TestPackage } from './package.js';

/** The launcher decides by a look at the words whether there is something to plan. */
describe('the launcher and the planner agree', function () {
  this.timeout(60_000);
  let pkg: TestPackage;

  before(() => {
    pkg = new TestPackage([]);
    pkg.usePlanner("process.stdout.write('vhost-host plan 1\\0aplanned\\0.\\0');");
  });
  after(() => pkg.remove());

  const wordsFor = async (args: readonly string[]): Promise<string[] | undefined> => {
    const { report, stderr } = await pkg.run(args);
    equal(stderr, '');
    return report?.args.slice(1).map(String);
  };

  for (const [name, spelling] of Object.entries(SPELLINGS)) {
    it(`about ${name}`, async () => {
      const path = join(pkg.root, 'file.cfg');
      writeFileSync(path, spelling.file ?? '');
      deepEqual(await wordsFor(spelled(spelling, path)), ['planned']);
    });
  }

  it('about calls with nothing to plan', async () => {
    for (const line of [
      '-m 96 -netdev user,id=n0 -device virtio-net-pci,netdev=n0',
      '-m 96 -nic tap,model=virtio',
      '-m 96 -net nic -net tap,script=no',
      '-m 96 -set drive.d0.file=x -netdev vhost-user,id=n0,chardev=c0',
      '-m 96 -append vhost=on,tap',
    ]) {
      const args = line.split(' ');
      deepEqual(await wordsFor(args), args);
    }
  });
});
