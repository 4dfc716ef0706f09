import { byFile, byId, bySign, firstFile, quotedValueOf, systemId, valueOf } from './loader.js';
import type { FindLoader } from './loader.js';
import { findProgram } from '../../../host/find-program.js';
import type { HandPlace } from '../method.js';

/** Systems that start in a way of their own: where one of these signs is there, nothing else starts the system. */

const asIs = (args: string): string => args;

/** The firmware reads the first line and nothing else; config.txt beside it tells that it is the firmware's. */
const raspberryPi: FindLoader = async (host) => {
  for (const dir of ['/boot/firmware', '/boot']) {
    const path = `${dir}/cmdline.txt`;
    if ((await firstFile(host, [path])) === undefined || (await firstFile(host, [`${dir}/config.txt`])) === undefined)
      continue;
    const place: HandPlace = { path, line: /^()(.*?)(\s*)$/, firstOnly: true, added: asIs };
    return {
      reason: `the Raspberry Pi's firmware takes the command line from the one line of ${path}`,
      places: [place],
    };
  }
  return undefined;
};

/** Its own entry on the EFI partition shows what it made of its options. */
const kernelstub: FindLoader = async (host) => {
  if ((await findProgram(host, 'kernelstub')) === undefined) return undefined;
  const entry = '/boot/efi/loader/entries/Pop_OS-current.conf';
  if ((await host.stat('/etc/kernelstub/configuration')) === undefined && (await host.stat(entry)) === undefined)
    return undefined;
  const added = (args: string, before: string): string => {
    const words = args.split(' ');
    // It keeps each word once.
    if (new Set(words).size < words.length)
      return `/etc/kernelstub/configuration: "kernel_options" gets ${words.map((word) => `"${word}"`).join(', ')}`;
    const old = before === '' ? [] : [`kernelstub --delete-options "${before}"`];
    return [...old, `kernelstub --add-options "${args}"`].join('\n');
  };
  const place: HandPlace = { path: entry, line: /^(options\s+)(.*)()$/, added, byCommand: true };
  return { reason: `kernelstub writes the boot entry, ${entry}, from its own options`, places: [place] };
};

/** Of a system whose kernel was started by Windows. */
const wsl: FindLoader = async (host) => {
  const kernel = (await host.readOptional('/proc/sys/kernel/osrelease')) ?? '';
  if (!/microsoft/i.test(kernel)) return undefined;
  const added = (args: string): string => `[wsl2]\nkernelCommandLine = ${args}`;
  const reason = 'Windows starts this kernel, with what %UserProfile%\\.wslconfig says';
  return { reason, places: [{ added, then: 'wsl --shutdown' }] };
};

/** The directory is read whole, and everything in it joined. */
const clearLinux: FindLoader = async (host) => {
  if ((await findProgram(host, 'clr-boot-manager')) === undefined) return undefined;
  const dir = '/etc/kernel/cmdline.d';
  const path = `${dir}/vhost-host.conf`;
  const place: HandPlace = { path, line: /^()(\S.*?)(\s*)$/, added: asIs, then: 'clr-boot-manager update' };
  return { reason: `clr-boot-manager makes the boot entries from ${dir}`, places: [place] };
};

const flatcar: FindLoader = async (host) => {
  if ((await systemId(host)) !== 'flatcar') return undefined;
  const path = (await firstFile(host, ['/oem/grub.cfg', '/usr/share/oem/grub.cfg'])) ?? '/oem/grub.cfg';
  const place: HandPlace = {
    path,
    line: /^(\s*set linux_append=")([^"]*)(".*)$/,
    added: (args) => `set linux_append="$linux_append ${args}"`,
  };
  return { reason: `GRUB takes arguments from the OEM partition, ${path}`, places: [place] };
};

const uBoot = (path: string): FindLoader =>
  byFile('u-boot takes arguments from', [path], valueOf('extraargs'), { added: (args) => `extraargs=${args}` });

export const FIRST: readonly FindLoader[] = [
  wsl,
  flatcar,
  byId(['cos'], 'the command line is in grub.cfg on the EFI partition, which a start-up script has to edit', [
    {
      added: (args) =>
        `mount "$(lsblk -rpno NAME,PARTLABEL | awk '$2 == "EFI-SYSTEM" { print $1 }')" /mnt\nin /mnt/efi/boot/grub.cfg, behind "cros_efi": ${args}`,
      then: 'reboot; node pools of GKE have linuxConfig.hugepageConfig (hugepage_size1g, hugepage_size2m) for it',
    },
  ]),
  byId(['chromeos', 'chromiumos'], 'the command line is part of the signed kernel partition', [
    {
      added: (args) =>
        `/usr/share/vboot/bin/make_dev_ssd.sh --save_config /tmp/config --partitions 2\nappend to /tmp/config.2: ${args}`,
      then: '/usr/share/vboot/bin/make_dev_ssd.sh --set_config /tmp/config --partitions 2',
    },
  ]),
  raspberryPi,
  uBoot('/boot/armbianEnv.txt'),
  uBoot('/boot/orangepiEnv.txt'),
  uBoot('/boot/dietpiEnv.txt'),
  byFile('u-boot takes arguments from', ['/boot/uEnv.txt'], valueOf('cmdline'), { added: (args) => `cmdline=${args}` }),
  kernelstub,
  clearLinux,
  byFile('GRUB takes arguments from', ['/boot/photon.cfg'], valueOf('photon_cmdline'), {
    added: (args) => `photon_cmdline=${args}`,
  }),
  byFile('GRUB takes arguments from', ['/boot/mariner.cfg'], valueOf('mariner_cmdline'), {
    added: (args) => `mariner_cmdline=${args}`,
  }),
  bySign('midclt', undefined, {
    reason: 'TrueNAS writes the boot configuration from its own settings',
    places: [{ added: (args) => `midclt call system.advanced.update '{"kernel_extra_options": "${args}"}'` }],
  }),
  byFile(
    'update-extlinux writes extlinux.conf from',
    ['/etc/update-extlinux.conf'],
    quotedValueOf('default_kernel_opts'),
    { added: (args) => `default_kernel_opts="${args}"`, then: 'update-extlinux', made: '/boot/extlinux.conf' },
    'update-extlinux',
  ),
];
