/** What each distribution calls what a host needs; one table per package manager. */

/** What the host shall be able to do, in this project's own words. */
export type Need = 'qemu' | 'libvirt' | 'cuse' | 'driverctl';

export interface PackageManager {
  /** The program that it is known by. */
  readonly program: string;
  /** Commands to be run before packages are installed. */
  readonly prepare: readonly (readonly string[])[];
  readonly install: readonly string[];
  readonly remove: string;
}

/** In the order in which they are looked for: some systems have a second one beside their own. */
export const MANAGERS: readonly PackageManager[] = [
  {
    program: 'apt-get',
    // With lists of yesterday it asks for files that the mirror has replaced since.
    prepare: [['apt-get', 'update']],
    // Recommended ones bring windows and fonts to a server; what is needed is named.
    install: ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '--no-install-recommends'],
    remove: 'apt-get remove',
  },
  { program: 'dnf', prepare: [], install: ['dnf', 'install', '-y'], remove: 'dnf remove' },
  { program: 'yum', prepare: [], install: ['yum', 'install', '-y'], remove: 'yum remove' },
  { program: 'zypper', prepare: [], install: ['zypper', '--non-interactive', 'install'], remove: 'zypper remove' },
  // Without -y: fresh lists and old packages do not go together on a rolling distribution.
  { program: 'pacman', prepare: [], install: ['pacman', '-S', '--needed', '--noconfirm'], remove: 'pacman -R' },
];

export interface Machine {
  /** As Node says it: `x64`, `arm64`, … */
  readonly arch: string;
  /** Release of the kernel that modules are wanted for; undefined where it is not known. */
  readonly kernel: string | undefined;
  readonly ubuntu: boolean;
}

type Names = Readonly<Record<Need, (machine: Machine) => readonly string[]>>;

const by =
  (table: Readonly<Record<string, string>>, otherwise: string): Names['qemu'] =>
  ({ arch }) => [table[arch] ?? otherwise];

const none: Names['qemu'] = () => [];

/** Of that kernel: another's modules could not be loaded before the next boot. */
const ofKernel = (name: string, { kernel }: Machine): readonly string[] => [
  kernel === undefined ? name : `${name}-${kernel}`,
];

const REDHAT: Names = {
  qemu: () => ['qemu-kvm'],
  libvirt: () => ['libvirt-daemon-kvm', 'libvirt-client'],
  cuse: (machine) => ofKernel('kernel-modules-extra', machine),
  driverctl: () => ['driverctl'],
};

/** Where a list is empty, the distribution has no package for it. */
export const NAMES: Readonly<Record<string, Names>> = {
  'apt-get': {
    qemu: by(
      { arm: 'qemu-system-arm', arm64: 'qemu-system-arm', ppc64: 'qemu-system-ppc', x64: 'qemu-system-x86' },
      'qemu-system-misc',
    ),
    libvirt: () => ['libvirt-daemon-system', 'libvirt-clients'],
    // Debian's kernel brings it; Ubuntu's does in a package of its own.
    cuse: (machine) => (machine.ubuntu && machine.kernel !== undefined ? ofKernel('linux-modules-extra', machine) : []),
    driverctl: () => ['driverctl'],
  },
  dnf: REDHAT,
  yum: REDHAT,
  zypper: {
    qemu: by({ arm64: 'qemu-arm', ppc64: 'qemu-ppc', s390x: 'qemu-s390x', x64: 'qemu-x86' }, 'qemu'),
    libvirt: () => ['libvirt-daemon-qemu', 'libvirt-client'],
    cuse: none,
    driverctl: () => ['driverctl'],
  },
  pacman: { qemu: () => ['qemu-base'], libvirt: () => ['libvirt'], cuse: none, driverctl: none },
};
