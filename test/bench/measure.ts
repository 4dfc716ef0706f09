import { messageOf } from '../../src/common/errors.js';
import type { Scope } from '../helpers/scope.js';
import { withScope } from '../helpers/scope.js';
import { framesPerDirection } from './cases.js';
import type { Case } from './cases.js';
import type { Contender, Place } from './contenders/contender.js';
import { checkReturned } from './feed.js';
import { Guests } from './guests.js';
import { takeWindows } from './windows.js';
import type { Pace, Sample } from './windows.js';

/** One switch, one case, one round. */
export interface Measured {
  readonly samples: readonly Sample[];
  readonly features: readonly string[];
  /** The functions that the guests' driver chose. */
  readonly guestPaths: readonly string[];
  /** Of the frames that were put in: those missing at the end, by the guests' own count and for all other reasons. */
  readonly lostByGuests: number;
  readonly lostBySwitch: number;
}

/** Fresh guests at a switch; at the end every frame that still circles is taken out and looked at. */
export function measure(
  start: (scope: Scope) => Promise<Contender>,
  c: Case,
  place: Place,
  pace: Pace,
): Promise<Measured> {
  return withScope(async (scope) => {
    const contender = await start(scope);
    const guests = await Guests.start(scope, c, contender.sockets, place);
    const features = await contender.ready();
    await guests.begin(c, contender);
    const samples = await takeWindows(contender, guests, place, pace).catch(async (error: unknown) => {
      throw new Error(`${messageOf(error)}; drops of ${contender.name}: ${await contender.drops()}`, { cause: error });
    });
    const { frames, dropped } = await guests.finish();
    checkReturned(frames, c);
    const lost = 2 * framesPerDirection(c) - frames.length;
    return {
      ...{ samples, features, guestPaths: guests.paths },
      ...{ lostByGuests: dropped, lostBySwitch: lost - dropped },
    };
  });
}
