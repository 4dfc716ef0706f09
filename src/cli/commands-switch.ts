import type { Command } from 'commander';
import type { CliContext } from './shared/context.js';
import { addDrops } from './switch/drops.js';
import { addLogs } from './daemon/logs.js';
import { addMacs } from './switch/macs.js';
import { addPorts } from './switch/ports.js';
import { addRebalance } from './switch/rebalance.js';
import { addStart } from './daemon/start.js';
import { addStats } from './switch/stats.js';
import { addStatus } from './daemon/status.js';
import { addStop } from './daemon/stop.js';
import { addUplinks } from './switch/uplinks.js';

export type AddCommand = (program: Command, context: CliContext) => void;

/** The commands that start a switch or ask one: what scripts call over and over, and is loaded first. */
export const SWITCH_COMMANDS: readonly AddCommand[] = [
  (program) => void program.commandsGroup('The switch:'),
  addStart,
  addStatus,
  addPorts,
  addUplinks,
  addMacs,
  addStats,
  addDrops,
  addLogs,
  addRebalance,
  addStop,
];
