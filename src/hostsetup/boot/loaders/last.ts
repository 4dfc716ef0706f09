import { byFile, bySign, firstFile, quotedValueOf } from './loader.js';
import type { FindLoader } from './loader.js';
import { zipl } from './zipl.js';
import { findProgram } from '../../../host/find-program.js';
import type { HandPlace } from '../method.js';

/** Boot loaders that are asked for once no tool was found that makes the configuration of another. */

const REFIND = ['/boot/EFI/refind/refind.conf', '/efi/EFI/refind/refind.conf', '/boot/efi/EFI/refind/refind.conf'];
const LIMINE = [
  '/boot',
  '/boot/limine',
  '/boot/EFI/limine',
  '/boot/EFI/BOOT',
  '/efi',
  '/boot/efi',
  '/boot/efi/EFI/limine',
];

const limine: FindLoader = async (host) => {
  const conf = await firstFile(host, [
    ...LIMINE.map((dir) => `${dir}/limine.conf`),
    ...LIMINE.map((dir) => `${dir}/limine.cfg`),
  ]);
  if (conf === undefined) return undefined;
  const tool = await findProgram(host, 'limine-update', 'limine-mkinitcpio');
  if (tool !== undefined) {
    const path = '/etc/default/limine';
    const place: HandPlace = {
      path,
      line: /^(\s*KERNEL_CMDLINE\[default\]\s*\+?=\s*")([^"]*)(".*)$/,
      added: (args) => `KERNEL_CMDLINE[default]+=" ${args}"`,
      then: tool,
    };
    return { reason: `${tool} writes ${conf} from ${path}`, places: [place] };
  }
  const line = /^(\s*(?:(?:kernel_)?cmdline\s*:|(?:KERNEL_)?CMDLINE\s*=)\s*)(.*?)(\s*)$/;
  const place: HandPlace = { path: conf, line, added: (args) => `cmdline: ${args}` };
  return { reason: `limine takes the command line from ${conf}`, places: [place] };
};

const APPEND = /^(\s*append\s+)(.*?)(\s*)$/i;

/** A kernel-install may be there too, and not be theirs. */
export const BEFORE_KERNEL_INSTALL: readonly FindLoader[] = [
  limine,
  bySign('generate-zbm', '/etc/zfsbootmenu', {
    reason: 'ZFSBootMenu takes the command line from a property of the boot environment',
    places: [
      {
        added: (args) =>
          `zfs get org.zfsbootmenu:commandline "$(findmnt -no SOURCE /)"\nzfs set org.zfsbootmenu:commandline="what it says ${args}" "$(findmnt -no SOURCE /)"`,
      },
    ],
  }),
];

export const LAST: readonly FindLoader[] = [
  byFile(
    'u-boot-update writes extlinux.conf from',
    ['/etc/default/u-boot'],
    quotedValueOf('U_BOOT_PARAMETERS'),
    {
      added: (args) => `U_BOOT_PARAMETERS="ro quiet ${args}"`,
      then: 'u-boot-update',
      made: '/boot/extlinux/extlinux.conf',
    },
    'u-boot-update',
  ),
  byFile(
    'flash-kernel gives u-boot the command line of',
    ['/etc/default/flash-kernel'],
    quotedValueOf('LINUX_KERNEL_CMDLINE'),
    { added: (args) => `LINUX_KERNEL_CMDLINE="${args}"`, then: 'flash-kernel' },
    'flash-kernel',
  ),
  byFile(
    'rEFInd takes the command line from the first line of',
    ['/boot/refind_linux.conf'],
    /^(\s*"[^"]*"\s+")([^"]*)(".*)$/,
    {
      firstOnly: true,
      added: (args) => `"Boot with standard options" "root=… rw ${args}"`,
    },
  ),
  byFile('rEFInd takes the command line from', REFIND, /^(\s*options\s+")([^"]*)(".*)$/, {
    added: (args) => `options "root=… rw ${args}", in the menu entry of this system`,
  }),
  byFile(
    'the command line is in',
    ['/boot/extlinux/extlinux.conf', '/boot/extlinux.conf', '/extlinux/extlinux.conf'],
    APPEND,
    { added: (args) => `append root=… ${args}` },
  ),
  byFile('the command line is in', ['/boot/syslinux/syslinux.cfg', '/boot/syslinux.cfg'], APPEND, {
    added: (args) => `APPEND root=… ${args}`,
  }),
  byFile('lilo takes the command line from', ['/etc/lilo.conf'], quotedValueOf('append'), {
    added: (args) => `append="${args}"`,
    then: 'lilo',
    made: '/boot/map',
  }),
  zipl,
  byFile(
    'GRUB of old takes the command line from',
    ['/boot/grub/menu.lst', '/boot/grub/grub.conf'],
    /^(\s*kernel\s+\S+\s+)(.*?)(\s*)$/,
    {
      added: (args) => `kernel … ${args}`,
    },
  ),
  byFile(
    'GRUB takes the command line from a configuration that no tool here writes,',
    ['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg'],
    /^(\s*linux(?:16|efi)?\s+\S+\s+)(.*?)(\s*)$/,
    { added: (args) => `linux … ${args}, in the menu entry of this system` },
  ),
];
