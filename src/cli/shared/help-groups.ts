import { Help } from 'commander';
import type { Command, Option } from 'commander';

/** What nearly every command takes: the last of the groups in its help. */
export const COMMON_OPTIONS = 'Common options:';
/** Commander's heading for options without a group: the first in help. */
export const OPTIONS = 'Options:';

type Grouped<T> = Map<string, T[]>;

/** The groups that have something in them, the command's own options first and what all commands take last. */
function inOrder<T>(groups: Grouped<T>): Grouped<T> {
  const filled = [...groups].filter(([, items]) => items.length > 0);
  const rank = (heading: string): number => (heading === OPTIONS ? -1 : heading === COMMON_OPTIONS ? 1 : 0);
  return new Map(filled.sort(([a], [b]) => rank(a) - rank(b)));
}

/** For `configureHelp()`, which every command below takes over. */
export const GROUPED_HELP: Pick<Help, 'groupItems'> = {
  groupItems<T extends Command | Option>(all: T[], visible: T[], groupOf: (item: T) => string): Grouped<T> {
    // The option for help would come into the group that was named last.
    const place = visible.some((item) => groupOf(item) === COMMON_OPTIONS) ? COMMON_OPTIONS : OPTIONS;
    const headingOf = (item: T): string => (isHelpOption(item) ? place : groupOf(item));
    const groups = inOrder(Help.prototype.groupItems.call(this, all, visible, headingOf as never) as Grouped<T>);
    const common = groups.get(COMMON_OPTIONS);
    // Common to what, where there are no others?
    return common !== undefined && groups.size === 1 ? new Map([[OPTIONS, common]]) : groups;
  },
};

function isHelpOption(item: Command | Option): boolean {
  return 'long' in item && item.long === '--help';
}
