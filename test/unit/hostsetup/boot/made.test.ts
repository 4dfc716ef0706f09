import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { planKernelArguments } from '../../../../src/hostsetup/boot/plan.js';
import type { KernelPlan } from '../../../../src/hostsetup/boot/plan.js';
import type { KernelArgsSpec } from '../../../../src/hostsetup/kernel/spec.js';
import { doSteps } from '../../../helpers/host/steps.js';
import { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { system } from './support.js';
import { peImage } from './pe-image.js';

/** What somebody else's tool makes is read, and not only what it is made from. */

const SPEC: KernelArgsSpec = { hugepages: { pools: [{ size: '1G', count: 8 }] } };
const UNIT = 'hugepagesz=1G hugepages=8';
const plan = ({ host }: { host: MemoryHost['host'] }): Promise<KernelPlan> => planKernelArguments(host, SPEC);

describe('unified kernel images that others build', () => {
  const IMAGE = '/boot/efi/EFI/Linux/linux-6.15.4-91ff.efi';
  const dracut = (line: string): MemoryHost => {
    const { memory } = system('fedora-image-dracut');
    return memory.file(IMAGE, peImage({ '.osrel': 'ID=x', '.cmdline': line, '.linux': 'k' }));
  };

  it('dracut: done once the image that starts has them, and the snippet keeps the whole line', async () => {
    const todo = await plan(dracut('root=UUID=5c rd.luks.name=5d=r quiet'));
    match(todo.byHand?.reason ?? '', /uefi\.conf:3, then dracut --regenerate-all --force$/);
    equal(todo.byHand?.snippet, `kernel_cmdline="root=UUID=5c rd.luks.name=5d=r quiet ${UNIT}"`);
    const done = await plan(dracut(`root=UUID=5c ${UNIT} quiet`));
    deepEqual([done.byHand, done.steps], [undefined, []]);
    match(done.notes[0] ?? '', /^the next boot has the arguments: dracut builds /);
  });

  it('the image that starts counts, and not one beside it', async () => {
    const memory = dracut('root=A').file('/boot/efi/EFI/Linux/a.efi', peImage({ '.cmdline': `root=A ${UNIT}` }));
    ok((await plan(memory)).byHand);
    memory.file('/boot/efi/loader/loader.conf', 'default a.efi\n');
    equal((await plan(memory)).byHand, undefined);
  });

  it('what addons beside the image add counts', async () => {
    for (const dir of [`${IMAGE}.extra.d`, '/boot/efi/loader/addons']) {
      const memory = dracut('root=A').file(`${dir}/pages.addon.efi`, peImage({ '.cmdline': UNIT }));
      equal((await plan(memory)).byHand, undefined, dir);
    }
    const other = dracut('root=A').file(`${IMAGE}.extra.d/pages.efi`, peImage({ '.cmdline': UNIT }));
    ok((await plan(other)).byHand);
  });

  it('ukify: its configuration is named with the line, or the file that it takes the line from', async () => {
    const memory = system('unified-kernel-image').memory.file('/usr/bin/ukify', '');
    memory.file('/boot/efi/EFI/Linux/abc-6.14.0.efi', peImage({ '.cmdline': 'root=A rw' }));
    memory.file('/etc/kernel/uki.conf', '[UKI]\nCmdline=root=A rw\n');
    const { byHand } = await plan(memory);
    match(
      byHand?.reason ?? '',
      /^ukify builds \S+ with Cmdline=: they belong into \/etc\/kernel\/uki\.conf:2, then uki/,
    );
    equal(byHand?.snippet, `Cmdline=root=A rw ${UNIT}`);
    memory.file('/etc/systemd/ukify.conf', '[UKI]\nCmdline=@/etc/cmdline\n');
    const file = await plan(memory);
    match(file.byHand?.reason ?? '', /belong into \/etc\/cmdline, then/);
    equal(file.byHand?.snippet, `root=A rw ${UNIT}`);
    memory.file('/boot/efi/EFI/Linux/abc-6.14.0.efi', peImage({ '.cmdline': `root=A rw ${UNIT}` }));
    equal((await plan(memory)).byHand, undefined);
  });
});

describe('Proxmox: what the tool wrote to its partitions', () => {
  const mounted = (): ReturnType<typeof system> => {
    const there = system('proxmox');
    const [uuid = ''] = (there.memory.entries.get('/etc/kernel/proxmox-boot-uuids')?.text ?? '').split('\n');
    there.memory.file('/dev/sda2', '').link(`/dev/disk/by-uuid/${uuid}`, '/dev/sda2');
    there.memory.file('/proc/mounts', '/dev/sda2 /esp vfat rw 0 0\n').file('/esp/loader/loader.conf', 'default p-*\n');
    return there;
  };
  const entry = (args: string): string => `title P\nlinux /EFI/p/vmlinuz\noptions root=ZFS=x ${args}\n`;

  it('a mounted one is read back: systemd-boot', async () => {
    const there = mounted();
    there.memory.file('/esp/loader/entries/p-6.8.conf', entry(''));
    const { steps } = await plan(there);
    const { message } = await failure('CHANGE_FAILED', () => doSteps(there.host, steps));
    match(message, /\/esp\/loader\/entries\/p-6\.8\.conf, which is started next .*, has none of the arguments/);
    const good = mounted();
    good.memory.file('/esp/loader/entries/p-6.8.conf', entry(UNIT));
    const [step] = (await plan(good)).steps;
    equal(await step?.verify?.(good.host), undefined);
    match(
      (await step?.remark?.(good.host)) ?? '',
      /^proxmox-boot-tool has written the entries to 3B20-11D4, which is not/,
    );
  });

  it('a mounted one is read back: GRUB', async () => {
    const there = mounted();
    there.memory.file('/esp/loader/entries/p-6.8.conf', entry(UNIT));
    there.memory.file('/esp/grub/grub.cfg', 'menuentry x {\n\tlinux /vmlinuz root=ZFS=x\n}\n');
    const [step] = (await plan(there)).steps;
    match((await step?.verify?.(there.host)) ?? '', /^GRUB starts "x" next .*, which has none of the arguments/);
  });

  it('one that is not mounted is named, with the command that shows it', async () => {
    const { host } = system('proxmox');
    const { steps } = await plan({ host });
    await doSteps(host, steps);
    const said = (await steps[0]?.remark?.(host)) ?? '';
    match(
      said,
      /^proxmox-boot-tool has written the entries to \S+.*, which is not mounted and was not read back; mount -o/,
    );
  });
});

describe('zipl without boot entries', () => {
  const conf = (text: string): MemoryHost => new MemoryHost({ '/etc/os-release': 'ID=sles\n', '/etc/zipl.conf': text });
  const MENU = `[defaultboot]
defaultmenu = menu
target = /boot/zipl
[first]
    image = /boot/a
    parameters = "root=/dev/dasda1 ${UNIT}"
[second]
    image = /boot/b
    parameters='root=/dev/dasdb1 ro'
[third]
image=/boot/c
parmfile=/boot/parm
:menu
    1=first
    2=second
    3=third
    default=2
`;

  it('the default of the menu gets them, however it is quoted', async () => {
    const { byHand } = await plan(conf(MENU));
    equal(byHand?.reason, 'zipl takes the command line from /etc/zipl.conf, section [second]');
    const line = `    parameters='root=/dev/dasdb1 ro ${UNIT}'`;
    equal(byHand?.snippet, `/etc/zipl.conf, line 9, as it has to read:\n${line}\nthen: zipl`);
    equal((await plan(conf(MENU.replace('default=2', 'default=1')))).byHand, undefined);
  });

  it('a default by name, without quotes; a file of arguments', async () => {
    const plain = conf('[defaultboot]\ndefault=a\n[b]\nimage=x\nparameters="q"\n[a]\nimage=y\nparameters=root=1 ro\n');
    match(
      (await plan(plain)).byHand?.snippet ?? '',
      /^\S+ line 8, as it has to read:\nparameters=root=1 ro hugepagesz/,
    );
    const file = conf(MENU.replace('default=2', 'default=3')).file('/boot/parm', 'root=/dev/dasdc1\n');
    match((await plan(file)).byHand?.snippet ?? '', /^\/boot\/parm, line 1, .*\nroot=\/dev\/dasdc1 hugepagesz=1G hug/);
  });

  it('where nothing says which one starts, all of them', async () => {
    const { byHand } = await plan(conf('[a]\nimage=x\nparameters="a"\n[b]\nimage=y\nparameters="b"\n'));
    equal(byHand?.snippet.match(/as it has to read/g)?.length, 2);
  });

  it('zipl has to have run: what it made has them', async () => {
    const memory = conf(MENU.replace('default=2', 'default=1')).file('/boot/zipl/bootmap', `\0root=/dev/dasda1 ro\0`);
    equal((await plan(memory)).byHand?.snippet, 'then: zipl');
    memory.file('/boot/zipl/bootmap', `\0root=/dev/dasda1 ${UNIT}0\0`);
    ok((await plan(memory)).byHand, 'another number');
    memory.file('/boot/zipl/bootmap', `\0root=/dev/dasda1 ${UNIT}\0`);
    equal((await plan(memory)).byHand, undefined);
  });

  it('the same of u-boot-update, and of update-extlinux', async () => {
    for (const [name, path, made] of [
      ['debian-u-boot-menu', '/etc/default/u-boot', '/boot/extlinux/extlinux.conf'],
      ['alpine-extlinux', '/etc/update-extlinux.conf', '/boot/extlinux.conf'],
    ] as const) {
      const { memory } = system(name);
      const lines = (memory.entries.get(path)?.text ?? '').split('\n');
      const { byHand } = await plan(memory);
      const [, number = '', text = ''] = /, line (\d+), as it has to read:\n(.*)/.exec(byHand?.snippet ?? '') ?? [];
      ok(text, byHand?.snippet);
      memory.file(path, lines.map((line, i) => (i === Number(number) - 1 ? text : line)).join('\n'));
      memory.file(made, 'append root=A ro\n');
      match((await plan(memory)).byHand?.snippet ?? '', /^then: \S+$/, name);
      memory.file(made, `append root=A ro ${text.replace(/^[^"]*"|".*$/g, '')}\n`);
      equal((await plan(memory)).byHand, undefined, name);
    }
  });
});
