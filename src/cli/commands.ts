import { addCheck } from './host/check.js';
import { SWITCH_COMMANDS } from './commands-switch.js';
import type { AddCommand } from './commands-switch.js';
import { addLibvirt } from './host/libvirt.js';
import { addSetup } from './host/setup.js';
import { addVm } from './vm/vm.js';

/** Every command, in the order of help: with those that change libvirt's domains and hosts, most of the program. */
export const ALL_COMMANDS: readonly AddCommand[] = [
  ...SWITCH_COMMANDS,
  (program) => void program.commandsGroup('Guests and this host:'),
  addVm,
  addLibvirt,
  addSetup,
  addCheck,
];
