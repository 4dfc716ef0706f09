import { messageOf } from '../../../src/common/errors.js';
import { withScope } from '../../helpers/scope.js';
import type { Scope } from '../../helpers/scope.js';
import type { Contender, Place, SwitchReading } from '../contenders/contender.js';
import type { Measured } from '../measure.js';
import type { NicCase } from './cases.js';
import { NicGuest } from './guest.js';
import { takeWindows } from '../windows.js';
import type { Pace } from '../windows.js';

/** A switch with one guest's port and `net_null` beside it. */
export interface NicContender extends Pick<Contender, 'name' | 'thread' | 'drops'> {
  readonly socket: string;
  /** Its packets are those that came from the card, or went to it. */
  reading(): Promise<SwitchReading>;
  /** Waits for the guest's driver and adds the card; the features that the driver negotiated. */
  ready(): Promise<readonly string[]>;
}

/** Of the frames that went in at one end, those that came out at the other are the ones that count. */
function throughBoth(
  contender: NicContender,
  guest: NicGuest,
  { direction }: NicCase,
): Pick<Contender, 'thread' | 'reading'> {
  return {
    thread: () => contender.thread(),
    reading: async () => {
      const [card, { packets: atGuest }] = [await contender.reading(), await guest.reading()];
      const [from, to] = direction === 'receive' ? [card.packets, atGuest] : [atGuest, card.packets];
      return { ...card, packets: to, dropped: from - to };
    },
  };
}

/** A fresh guest at a switch, and frames in one direction for as long as it takes. */
export function measureNic(
  start: (scope: Scope) => Promise<NicContender>,
  c: NicCase,
  place: Place,
  pace: Pace,
): Promise<Measured> {
  return withScope(async (scope) => {
    const contender = await start(scope);
    const guest = await NicGuest.start(scope, c, contender.socket, place);
    const features = await contender.ready();
    await guest.begin();
    const samples = await takeWindows(throughBoth(contender, guest, c), guest, place, pace).catch(
      async (error: unknown) => {
        throw new Error(`${messageOf(error)}; drops of ${contender.name}: ${await contender.drops()}`, {
          cause: error,
        });
      },
    );
    return { samples, features, guestPaths: guest.paths, lostByGuests: 0, lostBySwitch: 0 };
  });
}
