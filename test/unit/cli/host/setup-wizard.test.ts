import { strict as assert } from 'node:assert';
import { debian12, rhel9 } from '../../hostsetup/systems.js';
import { FakeLibvirt } from '../fake-libvirt.js';
import { ALL, XML, asked, desk, prepared, setup } from './setup-scene.js';
import { Desk } from '../support.js';

describe('setup on the command line: the wizard', () => {
  it('tells what it found, asks, proposes the memory of the domains, shows, asks again, does', async () => {
    const libvirt = new FakeLibvirt();
    for (const name of ['web', 'db']) libvirt.add(name, XML(name, 1024));
    const at = asked(desk(prepared(debian12()), libvirt), ['', '1G', '20', 'yes'], [true]);
    const { code, out, err } = await setup(at);
    assert.equal(code, 0, err.join('\n'));
    assert.deepEqual(at.questions, [
      'Memory for guests [2G]',
      "Pages of guests' memory [1G]",
      '2 MB pages for the switch [256]',
      'Start the switch at every boot? [yes]',
      'Change the host so?',
    ]);
    const said = err.join('\n');
    assert.match(said, /^system: Debian GNU\/Linux 12 \(bookworm\), kernel 6\.1\.0-18-amd64$/m);
    assert.match(said, /^kernel arguments: in \/etc\/default\/grub\.d, by update-grub$/m);
    assert.match(said, /^libvirt: 2 domains, 2 GiB together$/m);
    assert.match(said, /^ {4}\+GRUB_CMDLINE_LINUX=.*hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=20"$/m);
    assert.match(out[0] ?? '', /^\d changes made; vhost-host setup --undo takes them back$/);
    assert.match(out.join('\n'), /^a reboot brings the kernel with default_hugepagesz=1G /m);
  });

  it('a card is offered with driver, VMDQ and what the host would lose; one in use cannot be chosen', async () => {
    const memory = prepared(rhel9());
    const at = asked(desk(memory), ['0', '0', '^C']);
    const context = at.context([], []);
    const shown: string[] = [];
    const spy = Object.assign(new Desk(), { fakeHost: at.fakeHost, answers: [], replies: ['0', '0', '^C'] });
    const ask = spy.context.bind(spy);
    spy.context = (out, err) => ({
      ...ask(out, err),
      ask: (question) => {
        if (question.kind === 'choice')
          shown.push(...question.choices.map(({ label, barred = '' }) => `${label} | ${barred}`));
        return context.ask(question);
      },
    });
    assert.equal((await setup(spy)).code, 1);
    assert.deepEqual(shown.slice(0, 3), [
      'none: guests talk to each other | ',
      '0000:03:00.0 ens3f0 ixgbe VMDQ | ',
      '0000:03:00.1 vfio-pci VMDQ unknown | ',
    ]);
    assert.match(shown[3] ?? '', /^0000:04:00\.0 eno1 igb VMDQ \| .* on br0/);
  });

  for (const [when, replies] of Object.entries({
    'the first question': ['^C'],
    'the last one': ['2G', '2M', '16', '^C'],
  })) {
    it(`Ctrl-C at ${when} changes nothing and says so`, async () => {
      const memory = prepared(debian12());
      const before = memory.tree();
      const { code, out, err } = await setup(asked(desk(memory), replies));
      assert.deepEqual([code, out, err.at(-1)], [1, [], 'cancelled: nothing was changed']);
      assert.deepEqual(memory.tree(), before);
    });
  }

  it('a no to the plan changes nothing and says so', async () => {
    const memory = prepared(debian12());
    const before = memory.tree();
    const { code, err } = await setup(asked(desk(memory), [], [false]), ...ALL, '--no-install');
    assert.deepEqual([code, err.at(-1)], [1, 'cancelled: nothing was changed']);
    assert.deepEqual(memory.tree(), before);
  });

  it('every question has a flag that answers it', async () => {
    const at = asked(desk(prepared(debian12())), [], [true]);
    assert.equal((await setup(at, ...ALL)).code, 0);
    assert.deepEqual(at.questions, ['Change the host so?']);
  });
});
