import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { addLogs } from './logs.js';
import { addMacs } from './macs.js';
import { addPorts } from './ports.js';
import { addSpread } from './spread.js';
import { addStart } from './start.js';
import { addStats } from './stats.js';
import { addStatus } from './status.js';
import { addStop } from './stop.js';
import { addUplinks } from './uplinks.js';

export type AddCommand = (program: Command, context: CliContext) => void;

/** The commands that start a switch or ask one: what scripts call over and over, and is loaded first. */
export const SWITCH_COMMANDS: readonly AddCommand[] = [
  addStart,
  addStatus,
  addPorts,
  addUplinks,
  addMacs,
  addStats,
  addLogs,
  addSpread,
  addStop,
];
