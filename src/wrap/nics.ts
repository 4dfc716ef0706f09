import { groupOf, newItem, valueOf } from './cmdline/argv.js';
import type { Item } from './cmdline/argv.js';
import type { Command, Reason } from './cmdline/command.js';
import type { Group } from './cmdline/option-group.js';
import { isVhostTap } from './guest.js';
import { boardDriver } from './machine.js';
import type { Machine } from './machine.js';
import { printKeys } from './cmdline/parse-group.js';

/**
 * Two short ways to write a card, made into the long one, `-netdev` and `-device`, which all rules know: `-nic`, and
 * `-net nic` with `-net tap` (or with `netdev=`). Cards that have nothing to do with vhost stay as they are.
 */

export const WRITTEN_OUT: Reason = {
  id: 'nic-written-out',
  why: 'only a card that is written as -netdev and -device can have properties of its own',
};

/** QEMU's own for cards that are given none; the last byte counts up. */
const FIRST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

function macText(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** As `-device` wants it: `-nic` takes single digits too. */
function fullMac(text: string): string {
  const parts = text.split(/[:-]/);
  if (parts.length !== 6 || !parts.every((part) => /^[0-9a-f]{1,2}$/i.test(part))) return text;
  return macText(parts.map((part) => Number.parseInt(part, 16)));
}

const isNic = (item: Item): boolean => item.name === 'net' && groupOf(item).get('type') === 'nic';
/** `-nic none` and `-net none` are no cards. */
const isBoardCard = (item: Item): boolean =>
  (item.name === 'nic' && groupOf(item).get('type') !== 'none') || isNic(item);

function saidMac(item: Item): string | undefined {
  const text = groupOf(item).get(item.name === 'nic' ? 'mac' : 'macaddr');
  return text === undefined ? undefined : fullMac(text);
}

/**
 * The machine's own cards with their addresses, in the order in which QEMU gives them out: each without one gets the
 * next that is free. A card alone needs none said, nobody can be before it.
 */
function boardCards(command: Command): Map<Item, string | undefined> {
  const cards = [...command.options('nic'), ...command.options('net')].filter(isBoardCard);
  if (cards.length < 2) return new Map(cards.map((item) => [item, saidMac(item)]));
  const taken = new Set<string>();
  const macs = new Map<Item, string>();
  for (const item of cards) {
    let mac = saidMac(item);
    for (let n = 0; mac === undefined; n++) {
      const next = macText(FIRST_MAC.with(5, (FIRST_MAC[5] ?? 0) + n));
      if (!taken.has(next)) mac = next;
    }
    taken.add(mac);
    macs.set(item, mac);
  }
  return macs;
}

/** Further properties of `-net nic` that `-device` has too. */
const NIC_KEYS = ['addr', 'vectors'];

/** An id for a netdev, from the number of its card; QEMU's own ids for such are random. */
function idFor(command: Command, group: Group, number: number): string {
  const said = group.get('id') ?? '';
  if (said !== '') return said;
  const taken = new Set(
    ['netdev', 'nic', 'net'].flatMap((name) => command.options(name).map((i) => groupOf(i).get('id'))),
  );
  for (let n = number; ; n++) if (!taken.has(`nic${n}`)) return `nic${n}`;
}

/** The tap without what belongs to the card. */
function netdevItem(group: Group, id: string): Item {
  let netdev = group;
  for (const key of ['model', 'mac', 'name']) netdev = netdev.remove(key);
  return newItem('netdev', netdev.set('id', id).toString());
}

function leftAlone(item: Item, machine: Machine, model: string | undefined): string {
  const card = model ?? `what ${machine.type ?? 'the machine'} has by itself`;
  const what = `"-${item.name ?? ''} ${valueOf(item)}" is left to QEMU: vhost=on means nothing to its card (${card})`;
  return `${what}; for the switch: -netdev tap,id=ID,vhost=on -device virtio-net-pci,netdev=ID`;
}

/** One of the machine's own cards that has to do with a tap with vhost. */
interface Card {
  /** The item that makes the card. */
  readonly card: Item;
  /** The item of the tap; the same one for `-nic`. */
  readonly tap: Item | undefined;
}

/** The cards that have to do with a tap with vhost, and remarks about those that cannot be told apart. */
function cardsOf(command: Command): { cards: Card[]; remarks: string[] } {
  const vhostIds = new Set(
    command
      .options('netdev')
      .map(groupOf)
      .filter(isVhostTap)
      .map((group) => group.get('id')),
  );
  const cards: Card[] = command
    .options('nic')
    .filter((item) => isVhostTap(groupOf(item)))
    .map((item) => ({ card: item, tap: item }));
  const nets = command.options('net').filter((item) => groupOf(item).get('type') !== 'none');
  for (const item of nets)
    if (isNic(item) && vhostIds.has(groupOf(item).get('netdev'))) cards.push({ card: item, tap: undefined });
  const hub = nets.filter((item) => !isNic(item) || groupOf(item).get('netdev') === undefined);
  const [tap] = hub.filter((item) => isVhostTap(groupOf(item)));
  if (tap === undefined) return { cards, remarks: [] };
  const [card] = hub.filter(isNic);
  if (hub.length === 2 && card !== undefined) return { cards: [...cards, { card, tap }], remarks: [] };
  const why = card === undefined ? 'no card is on its hub' : `${hub.length} -net options share one hub`;
  const remark = `"-net ${valueOf(tap)}" is left to QEMU: ${why}; write -netdev and -device for the switch`;
  return { cards, remarks: [remark] };
}

/** What `-device` has to say besides the driver. */
function propertiesOf(card: Item, netdev: string, mac: string | undefined): Record<string, string> {
  const properties: Record<string, string> = { netdev, ...(mac === undefined ? {} : { mac }) };
  for (const key of card.name === 'net' ? NIC_KEYS : []) {
    const value = groupOf(card).get(key);
    if (value !== undefined) properties[key] = value;
  }
  return properties;
}

/** Writes out the cards of taps with vhost. Return: a line for each that has to stay. */
export function writeOutNics(command: Command, machine: Machine): string[] {
  const { cards, remarks } = cardsOf(command);
  const macs = boardCards(command);
  const order = [...macs.keys()];
  const devices: Item[] = [];
  for (const { card, tap } of cards) {
    const group = groupOf(card);
    const driver = boardDriver(machine, group.get('model'));
    if (driver === undefined) {
      remarks.push(leftAlone(tap ?? card, machine, group.get('model')));
      continue;
    }
    const id = tap === undefined ? (group.get('netdev') ?? '') : idFor(command, groupOf(tap), order.indexOf(card));
    if (tap !== undefined) command.replace(WRITTEN_OUT, tap, [netdevItem(groupOf(tap), id)]);
    if (tap !== card) command.replace(WRITTEN_OUT, card, []);
    devices.push(newItem('device', printKeys(driver, propertiesOf(card, id, macs.get(card)))));
  }
  // In front of all others: the machine's own cards are the first on their bus.
  const place = command.options('device')[0] ?? command.options('netdev')[0];
  if (devices.length > 0) command.prepend(WRITTEN_OUT, devices, place);
  return remarks;
}
