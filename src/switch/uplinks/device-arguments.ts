import { VhostHostError } from '../../common/errors.js';

/** What net_af_packet has to be told beside the user's own arguments, so that its buffers fit the spec. */

const DRIVER = /^net_af_packet\w*$/;
/** The driver's own buffer size, and what the kernel needs of each beside the frame. */
const USUAL_FRAME = 2048;
const AROUND_FRAME = 128;
const STEP = 1024;
/** A block is whole pages, and holds whole frames, and their number is the driver's own. */
const FRAMES_PER_BLOCK = 4;

export interface UplinkShape {
  readonly queues: number;
  /** 0: as the device has it. */
  readonly mtu: number;
}

/** The device as the engine is to attach it. `device`: as of `deviceName`. */
export function engineDevice(device: string, { queues, mtu }: UplinkShape): string {
  const [name = '', ...args] = device.split(',');
  if (!DRIVER.test(name)) return device;
  const given = new Map(args.map((arg) => [arg.split('=')[0], arg.split('=')[1]]));
  const more: string[] = [];
  const pairs = given.get('qpairs');
  if (pairs === undefined && queues > 1) more.push(`qpairs=${queues}`);
  // Frames that the kernel puts into a queue that nobody polls would be lost.
  if (pairs !== undefined && Number(pairs) !== queues) {
    const message = `${name} has qpairs=${pairs}, and ${queues} of them would be polled`;
    throw new VhostHostError('UPLINK_FAILED', message, { hint: `--queues ${pairs}` });
  }
  if (mtu + AROUND_FRAME > USUAL_FRAME && !given.has('framesz')) {
    const bytes = Math.ceil((mtu + AROUND_FRAME) / STEP) * STEP;
    more.push(`framesz=${bytes}`, `blocksz=${bytes * FRAMES_PER_BLOCK}`);
  }
  return [device, ...more].join(',');
}
