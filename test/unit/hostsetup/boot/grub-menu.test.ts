import { deepEqual, equal, match } from 'node:assert/strict';
import { grubStart } from '../../../../src/hostsetup/boot/grub/menu.js';
import { planKernelArguments } from '../../../../src/hostsetup/boot/plan.js';
import type { KernelArgsSpec } from '../../../../src/hostsetup/kernel/spec.js';
import { doSteps } from '../../../helpers/host/steps.js';
import { MemoryHost } from '../../host/memory-host.js';
import { failure } from '../../switch/support.js';
import { system } from './support.js';

const SPEC: KernelArgsSpec = { hugepages: { pools: [{ size: '1G', count: 8 }] } };

/** Of the forms that the tools of Debian, Fedora and openSUSE write, in words of our own. */
const HEADER = (name: string): string => `### BEGIN /etc/grub.d/00_header ###
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${name}"
fi
function savedefault {
  if [ -z "\${boot_once}" ]; then
    saved_entry="\${chosen}"
  fi
}
### END /etc/grub.d/00_header ###
`;
const SAVED = '${saved_entry}';

const MENU = `### BEGIN /etc/grub.d/10_linux ###
menuentry 'Plain' --class os $menuentry_id_option 'plain-1f' {
	savedefault
	if [ x$feature_platform_search_hint = xy ]; then
	  search --no-floppy --fs-uuid --set=root 1f
	fi
	linux	/vmlinuz-6.12 root=UUID=1f ro quiet
	initrd	/initrd.img-6.12
}
submenu 'More of it' $menuentry_id_option 'more-1f' {
	menuentry 'It\\'s old' --class os $menuentry_id_option 'old-1f' {
		linux	/vmlinuz-6.1 root=UUID=1f ro quiet
	}
	menuentry "6.1, a > b" --id=twice {
		linuxefi /vmlinuz-6.1 root=UUID=1f ro single
	}
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Windows' --class windows $menuentry_id_option 'osprober-c0' {
	chainloader /EFI/x.efi
}
### END /etc/grub.d/30_os-prober ###
### BEGIN /etc/grub.d/40_custom ###
menuentry 'By hand' --id byhand {
	linux /vmlinuz root=LABEL=x\\
 rw panic=5
}
### END /etc/grub.d/40_custom ###
`.replace("'It\\'s old'", "'It'\\''s old'");

const starts = async (name: string, env = ''): Promise<string | undefined> => {
  const { host } = new MemoryHost({ '/boot/grub/grub.cfg': HEADER(name) + MENU, '/boot/grub/grubenv': env });
  return (await grubStart(host, '/boot/grub/grub.cfg'))?.entry.title;
};

describe('GRUB: the entry that starts next', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['by number', '2', '', 'Windows'],
    ['by title', 'By hand', '', 'By hand'],
    ['by identifier', 'osprober-c0', '', 'Windows'],
    ['of a submenu, by number', '1>1', '', '6.1, a > b'],
    ['of a submenu, by title', "More of it>It's old", '', "It's old"],
    ['of a submenu, by identifier', 'more-1f>twice', '', '6.1, a > b'],
    ['a title with the sign in it', 'more-1f>6.1, a >> b', '', '6.1, a > b'],
    ['a submenu alone starts its first', '1', '', "It's old"],
    ['one that is not there is the first', 'gone', '', 'Plain'],
    ['a number that is too large is the first', '9', '', 'Plain'],
    ['saved', SAVED, 'saved_entry=byhand\n', 'By hand'],
    ['saved, in a submenu', SAVED, 'saved_entry=more-1f>old-1f\n', "It's old"],
    ['nothing saved', SAVED, 'saved_entry=\n', 'Plain'],
    ['once comes before always', '0', 'next_entry=Windows\nsaved_entry=byhand\n', 'Windows'],
    ['what is saved counts only where it is asked for', '0', 'saved_entry=byhand\n', 'Plain'],
  ];
  for (const [what, name, env, wanted] of cases)
    it(what, async () => {
      equal(await starts(name, env), wanted);
    });

  it('a line that goes on belongs to the entry, and its place is known', async () => {
    const { host } = new MemoryHost({ '/boot/grub2/grub.cfg': HEADER('byhand') + MENU });
    deepEqual(await grubStart(host, '/boot/grub2/grub.cfg'), {
      entry: {
        title: 'By hand',
        id: 'byhand',
        by: '/etc/grub.d/40_custom',
        entries: undefined,
        args: 'root=LABEL=x  rw panic=5',
      },
      says: 'default="byhand"',
    });
  });

  it('a kernel below Xen has its arguments in a module; what stands behind a condition is not the default', async () => {
    const xen =
      "menuentry 'X' {\n\tmultiboot2 /xen.gz placeholder\n\tmodule2 /vmlinuz placeholder root=A ro hugepages=2\n}\n";
    const counting = 'if [ "${boot_counter}" = 0 ]; then\n  set default=1\nfi\n';
    const memory = new MemoryHost({ '/boot/grub/grub.cfg': HEADER('0') + counting + xen + MENU });
    equal((await grubStart(memory.host, '/boot/grub/grub.cfg'))?.entry.args, 'root=A ro hugepages=2');
    memory.file('/boot/grub/grub.cfg', `${HEADER('0')}${counting}set default=byhand\n${xen}${MENU}`);
    equal((await grubStart(memory.host, '/boot/grub/grub.cfg'))?.entry.title, 'By hand');
  });

  it('entries of the Boot Loader Specification stand where blscfg does, the newest first', async () => {
    const memory = new MemoryHost({ '/boot/grub2/grub.cfg': `${HEADER(SAVED)}blscfg\n${MENU}` });
    for (const [name, pages] of [
      ['m-6.9.1', 1],
      ['m-6.10.2', 2],
      ['m-0-rescue', 3],
    ] as const)
      // prettier-ignore
      memory.file(`/boot/loader/entries/${name}.conf`, `title T ${name}\noptions ro $more hugepages=${pages}\n`);
    const args = async (env: string): Promise<string | undefined> => {
      memory.file('/boot/grub2/grubenv', `more=splash\n${env}`);
      return (await grubStart(memory.host, '/boot/grub2/grub.cfg'))?.entry.args;
    };
    equal(await args(''), 'ro splash hugepages=2');
    equal(await args('saved_entry=m-6.9.1\n'), 'ro splash hugepages=1');
    equal(await args('saved_entry=T m-0-rescue\n'), 'ro splash hugepages=3');
    equal(await args('saved_entry=3\n'), 'root=UUID=1f ro quiet');
    equal(await args('saved_entry=m-6.9.1\nnext_entry=byhand\n'), 'root=LABEL=x  rw panic=5');
  });
});

describe('GRUB: done is said of the entry that starts next', () => {
  /** A Debian whose menu has our kernels, and somebody's entry behind them. */
  const debian = (name: string, env = ''): ReturnType<typeof system> => {
    const there = system('debian-12');
    there.memory
      .file('/boot/grub/grub.cfg', HEADER(name) + MENU.replace(' single', ' quiet'))
      .file('/boot/grub/grubenv', env);
    return there;
  };

  for (const name of ['0', '1>0', SAVED, 'more-1f>twice'])
    it(`a kernel of ours: ${name}`, async () => {
      const { host } = debian(name, 'saved_entry=old-1f\n');
      equal((await doSteps(host, (await planKernelArguments(host, SPEC)).steps)).length, 1);
    });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    [
      'byhand',
      '',
      /starts "By hand" of \/etc\/grub\.d\/40_custom next \(default="byhand"\), which has none of the arg/,
    ],
    [
      SAVED,
      'saved_entry=osprober-c0\n',
      /"Windows" .* next \(saved_entry in \/boot\/grub\/grubenv\), which starts no Linux th/,
    ],
    ['0', 'next_entry=byhand\n', /once\), which has none of the arguments; .*: grub-editenv - unset next_entry; its/],
  ];
  for (const [name, env, said] of wrong)
    it(`somebody else's entry: ${name} ${env.trim()}`, async () => {
      const there = debian(name, env);
      const files = (): unknown => Object.entries(there.memory.tree()).filter(([path]) => path.startsWith('/etc/'));
      const before = files();
      const { steps } = await planKernelArguments(there.host, SPEC);
      match((await failure('CHANGE_FAILED', () => doSteps(there.host, steps))).message, said);
      deepEqual(files(), before);
    });

  it('of Fedora the saved one too, which may be no entry of a file', async () => {
    const there = system('rhel-9');
    there.memory.file('/boot/grub2/grub.cfg', `${HEADER(SAVED)}blscfg\n${MENU}`);
    there.memory.file('/boot/grub2/grubenv', 'saved_entry=byhand\n');
    const { steps } = await planKernelArguments(there.host, SPEC);
    const { message } = await failure('CHANGE_FAILED', () => doSteps(there.host, steps));
    match(message, /"By hand" of .*40_custom next .* none of the arguments; .*: grub2-set-default 0;/);
    there.memory.file('/boot/grub2/grubenv', 'saved_entry=\n');
    equal((await doSteps(there.host, (await planKernelArguments(there.host, SPEC)).steps)).length, 1);
  });
});
