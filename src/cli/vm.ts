import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { addAttach } from './vm-attach.js';
import { addVmCheck } from './vm-check.js';
import { addDetach } from './vm-detach.js';
import { addForget } from './vm-forget.js';
import { addHook } from './vm-hook.js';
import { addVmList } from './vm-list.js';
import { addVmShow } from './vm-show.js';

/** `vhost-host vm …`: libvirt's domains and the switch. */
export function addVm(program: Command, context: CliContext): void {
  const vm = program.command('vm').description("connect libvirt's domains to the switch, and look after them");
  for (const add of [addVmList, addVmShow, addVmCheck, addAttach, addDetach, addForget, addHook]) add(vm, context);
}
