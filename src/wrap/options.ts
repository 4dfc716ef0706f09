/**
 * What must be known about QEMU's options to read a command line: which of them stand alone, and
 * what the first word of a value means when it has no `key=`.
 */

/** Options without a value, of QEMU 1.4 to 10. Every other option takes the argument after it. */
export const FLAGS: ReadonlySet<string> = new Set([
  'S',
  'alt-grab',
  'async-teardown',
  'audio-help',
  'ctrl-grab',
  'curses',
  'daemonize',
  'enable-fips',
  'enable-kvm',
  'enable-sync-profile',
  'full-screen',
  'h',
  'help',
  'mem-prealloc',
  'no-acpi',
  'no-fd-bootchk',
  'no-frame',
  'no-hpet',
  'no-kvm',
  'no-kvm-irqchip',
  'no-kvm-pit',
  'no-kvm-pit-reinjection',
  'no-quit',
  'no-reboot',
  'no-shutdown',
  'no-user-config',
  'nodefaults',
  'nodefconfig',
  'nographic',
  'old-param',
  'only-migratable',
  'portrait',
  'preconfig',
  'rtc-td-hack',
  's',
  'sdl',
  'semihosting',
  'show-cursor',
  'singlestep',
  'snapshot',
  'tdf',
  'usb',
  'version',
  'win2k-hack',
  'xen-attach',
  'xen-domid-restrict',
]);

/** Two spellings of one option. */
export const ALIASES: Readonly<Record<string, string>> = { M: 'machine' };

/** The key that the first word of a value belongs to when it is written without one. */
export const IMPLIED_KEYS: Readonly<Record<string, string>> = {
  accel: 'accel',
  chardev: 'backend',
  device: 'driver',
  m: 'size',
  machine: 'type',
  mon: 'chardev',
  name: 'guest',
  netdev: 'type',
  numa: 'type',
  object: 'qom-type',
};
