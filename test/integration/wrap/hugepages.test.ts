import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Child } from '../../helpers/child.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { freeHugepagesMb, reserveHugepages } from '../../helpers/host/hugepages.js';
import { bin } from '../../helpers/paths.js';

const GUESTS = 4;
const ROUNDS = 2;
const PAGE_MB = 2;
/** MiB that a process has of them. */
const usedBy = (pid: number): number =>
  Number(/^HugetlbPages:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

describe('hugepages for some of the guests that start at the same time', function () {
  this.timeout(120_000);
  const scope = freshScope({ skip: needsRoot });

  /** `objects`: its memory is made of so many parts, one after the other. */
  function start(name: string, mb: number, objects: number): Promise<Child> {
    const cells = Array.from({ length: objects }, (_, cell) => [
      ...['-object', `memory-backend-ram,id=m${cell},size=${mb / objects}M`],
      ...['-numa', `node,nodeid=${cell},memdev=m${cell}`],
    ]).flat();
    const args = ['-name', name, '-m', `${mb}M`, ...(objects > 1 ? cells : [])];
    const bare = ['-S', '-nodefaults', '-display', 'none', '-accel', 'tcg', '-qmp', 'stdio'];
    const env = { VHOST_HOST_WRAP_HUGEPAGES_FOR_ALL: 'true', VHOST_HOST_WRAP_HUGEPAGES: 'auto' };
    return Child.start(scope(), name, bin.qemuWrap, [...args, ...bare], { env });
  }

  for (const objects of [1, 2]) {
    it(`all of them start, and as many as there are pages for get them (memory in ${objects})`, async () => {
      const why = await reserveHugepages(scope(), 2 * 16 * PAGE_MB);
      assert.equal(why, undefined);
      for (let round = 0; round < ROUNDS; round++) {
        // For two guests and no third one, in even numbers of pages: what is left over is no guest's.
        const pages = Math.floor((await freeHugepagesMb()) / PAGE_MB / 4) * 2;
        const mb = pages * PAGE_MB;
        const guests = await Promise.all(
          Array.from({ length: GUESTS }, (_, index) => start(`guest ${index}`, mb, objects)),
        );
        await Promise.all(guests.map((guest) => guest.waitFor(/"QMP"/, { deadline: 60_000 })));
        const used = guests.map(({ pid }) => usedBy(pid)).sort((a, b) => a - b);
        assert.deepEqual(used, [0, 0, mb, mb]);
        for (const guest of guests) guest.write('{"execute":"qmp_capabilities"}{"execute":"quit"}\n');
        const ends = await Promise.all(guests.map((guest) => guest.ended));
        assert.deepEqual(
          ends,
          Array(GUESTS).fill({ code: 0, signal: null }),
          guests.map(({ output }) => output).join(),
        );
      }
    });
  }
});
