import { readSize, sizeText, shortSize } from '../../common/bytes.js';
import type { HostFacts } from '../facts/index.js';
import type { NicFacts } from '../nic/read.js';
import type { Ask, Question } from './prompts.js';
import { hasSwitchPages, pageSizes } from './choices.js';
import type { Choices } from './choices.js';

/** The wizard: a question for each choice that no flag has made. */

export type Told = Partial<Choices> & { readonly nic?: string | undefined };

interface Item<K extends keyof Choices> {
  readonly key: K;
  /** undefined where there is nothing to choose. */
  readonly question: (facts: HostFacts, proposed: Choices, so: Choices) => Question | undefined;
  readonly read: (answer: string) => Choices[K];
}

const NONE = 'none';

const wrongSize = (text: string): string | undefined =>
  readSize(text) === undefined ? 'a size such as 8G or 512M' : undefined;
const wrongNumber = (text: string): string | undefined =>
  /^\d{1,7}$/.test(text.trim()) ? undefined : 'a number of pages such as 256';

/** In a few words, for a line of a list that is to fit a narrow terminal. */
function nicLabel({ address, interfaces, driver, vmdq }: NicFacts): string {
  const pools = vmdq === 'yes' ? 'VMDQ' : vmdq === 'no' ? 'no VMDQ' : 'VMDQ unknown';
  return [address, ...interfaces, driver ?? 'no driver', pools].join(' ');
}

const ITEMS: readonly [Item<'guestMemory'>, Item<'pageSize'>, Item<'switchPages'>, Item<'nic'>, Item<'boot'>] = [
  {
    key: 'guestMemory',
    question: (_, proposed) => ({
      kind: 'text',
      message: 'Memory for guests',
      proposal: proposed.guestMemory === 0 ? '0' : shortSize(proposed.guestMemory),
      wrong: wrongSize,
    }),
    read: (answer) => readSize(answer) ?? 0,
  },
  {
    key: 'pageSize',
    question: (facts, proposed, { guestMemory }) => {
      const choices = pageSizes(facts).map((size) => ({ value: shortSize(size), label: sizeText(size) }));
      if (guestMemory === 0 || choices.length < 2) return undefined;
      return { kind: 'choice', message: "Pages of guests' memory", proposal: shortSize(proposed.pageSize), choices };
    },
    read: (answer) => readSize(answer) ?? 0,
  },
  {
    key: 'switchPages',
    question: (facts, proposed) =>
      hasSwitchPages(facts)
        ? {
            kind: 'text',
            message: '2 MB pages for the switch',
            proposal: `${proposed.switchPages}`,
            wrong: wrongNumber,
          }
        : undefined,
    read: (answer) => Number(answer),
  },
  {
    key: 'nic',
    question: (facts) => {
      const cards = facts.nics.map((nic) => {
        const [use] = nic.uses;
        return { value: nic.address, label: nicLabel(nic), ...(use === undefined ? {} : { barred: use }) };
      });
      if (cards.length === 0) return undefined;
      const choices = [{ value: NONE, label: 'none: guests talk to each other' }, ...cards];
      return { kind: 'choice', message: 'Network card for the switch', proposal: NONE, choices };
    },
    read: (answer) => (answer === NONE ? undefined : answer),
  },
  {
    key: 'boot',
    question: (_, { boot }) =>
      boot ? { kind: 'yes-no', message: 'Start the switch at every boot?', proposal: 'yes' } : undefined,
    read: (answer) => answer === 'yes',
  },
];

/** Flags go before answers, answers before proposals. */
export async function choose(facts: HostFacts, told: Told, proposed: Choices, ask: Ask | undefined): Promise<Choices> {
  let choices: Choices = { ...proposed, ...told };
  if (ask === undefined) return choices;
  for (const { key, question, read } of ITEMS) {
    if (key in told) continue;
    const asked = question(facts, proposed, choices);
    if (asked !== undefined) choices = { ...choices, [key]: read(await ask(asked)) };
  }
  return choices;
}
