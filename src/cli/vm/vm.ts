import type { Command } from 'commander';
import type { CliContext } from '../shared/context.js';
import { addAttach } from './attach.js';
import { addVmCheck } from './check.js';
import { addDetach } from './detach.js';
import { addForget } from './forget.js';
import { addHook } from './hook.js';
import { addVmList } from './list.js';
import { addVmShow } from './show.js';

/** `vhost-host vm …`: libvirt's domains and the switch. */
export function addVm(program: Command, context: CliContext): void {
  const vm = program.command('vm').description("connect libvirt's domains to the switch, and look after them");
  for (const add of [addVmList, addVmShow, addVmCheck, addAttach, addDetach, addForget, addHook]) add(vm, context);
}
