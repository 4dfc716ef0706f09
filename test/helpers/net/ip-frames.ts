/** TCP and UDP over IP by hand: as a guest with offloads leaves them unfinished, and as they are on the wire. */

export interface PacketOptions {
  readonly to: string;
  readonly from: string;
  readonly v6: boolean;
  readonly tcp: boolean;
  readonly payload: Buffer;
  readonly vlan?: number;
  /** Tells flows apart: the sender's port. */
  readonly flow?: number;
}

export interface Packet {
  /** The checksum's place has the sum of the pseudo header. */
  readonly frame: Buffer;
  readonly ip: number;
  readonly l4: number;
  readonly headers: number;
}

const ETHERNET = 14;
const TCP_HEADER = 20;
const UDP_HEADER = 8;
/** PSH and FIN, which only the last segment may have, are lost altogether by the card that QEMU 10.0 emulates. */
const ACK = 0x10;

function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

function sum(data: Buffer): number {
  let total = 0;
  for (let i = 0; i < data.length; i += 2) total += (data[i] ?? 0) * 256 + (data[i + 1] ?? 0);
  return fold(total);
}

/** Writes lengths, the IPv4 checksum and the pseudo header's sum into a frame whose headers stand. */
function lengthsAndSums(frame: Buffer, { ip, l4 }: Pick<Packet, 'ip' | 'l4'>, v6: boolean, tcp: boolean): void {
  const inside = frame.length - l4;
  const addresses = v6 ? frame.subarray(ip + 8, ip + 40) : frame.subarray(ip + 12, ip + 20);
  if (v6) {
    frame.writeUInt16BE(inside, ip + 4);
  } else {
    frame.writeUInt16BE(frame.length - ip, ip + 2);
    frame.writeUInt16BE(0, ip + 10);
    frame.writeUInt16BE(~sum(frame.subarray(ip, ip + 20)) & 0xffff, ip + 10);
  }
  if (!tcp) frame.writeUInt16BE(inside, l4 + 4);
  frame.writeUInt16BE(fold(sum(addresses) + inside + (tcp ? 6 : 17)), l4 + (tcp ? 16 : 6));
}

export function packet({ to, from, v6, tcp, payload, vlan, flow = 0x1001 }: PacketOptions): Packet {
  const ip = ETHERNET + (vlan === undefined ? 0 : 4);
  const l4 = ip + (v6 ? 40 : 20);
  const headers = l4 + (tcp ? TCP_HEADER : UDP_HEADER);
  const frame = Buffer.concat([Buffer.alloc(headers), payload]);
  Buffer.from((to + from).replaceAll(':', ''), 'hex').copy(frame);
  if (vlan !== undefined) frame.writeUInt32BE(0x81000000 + vlan, 12);
  frame.writeUInt16BE(v6 ? 0x86dd : 0x0800, ip - 2);
  frame[ip] = v6 ? 0x60 : 0x45;
  frame[ip + (v6 ? 6 : 9)] = tcp ? 6 : 17;
  frame[ip + (v6 ? 7 : 8)] = 64;
  if (!v6) frame.writeUInt32BE(0x12344000, ip + 4);
  Buffer.from(v6 ? 'fd'.repeat(16) + '0a'.repeat(16) : '0a0900010a090002', 'hex').copy(frame, ip + (v6 ? 8 : 12));
  frame.writeUInt16BE(flow, l4);
  frame.writeUInt16BE(0x1002, l4 + 2);
  if (tcp) {
    frame.writeUInt32BE(1_000_000, l4 + 4);
    frame.writeUInt16BE(0x5000 | ACK, l4 + 12);
  }
  lengthsAndSums(frame, { ip, l4 }, v6, tcp);
  return { frame, ip, l4, headers };
}

/** The same frame with its checksum. */
export function finished({ frame, l4 }: Packet, tcp: boolean): Buffer {
  const whole = Buffer.from(frame);
  whole.writeUInt16BE(~sum(whole.subarray(l4)) & 0xffff || 0xffff, l4 + (tcp ? 16 : 6));
  return whole;
}

/** The TCP segments of `size` bytes each that the frame stands for, with their checksums. */
export function segments(whole: Packet, v6: boolean, size: number): Buffer[] {
  const { frame, ip, l4, headers } = whole;
  const payload = frame.subarray(headers);
  const count = Math.ceil(payload.length / size);
  return Array.from({ length: count }, (_, i) => {
    const part = Buffer.concat([frame.subarray(0, headers), payload.subarray(i * size, (i + 1) * size)]);
    if (!v6) part.writeUInt16BE(frame.readUInt16BE(ip + 4) + i, ip + 4);
    part.writeUInt32BE(frame.readUInt32BE(l4 + 4) + i * size, l4 + 4);
    lengthsAndSums(part, whole, v6, true);
    return finished({ ...whole, frame: part }, true);
  });
}

/** The virtio header of such a frame (virtio 1.2, 5.1.6): its checksum, and its segments where there is a size. */
export function virtioHeader({ l4, headers }: Packet, { v6, tcp }: PacketOptions, size = 0): Buffer {
  const header = Buffer.alloc(10);
  header[0] = 1;
  header[1] = size === 0 ? 0 : v6 ? 4 : 1;
  header.writeUInt16LE(size === 0 ? 0 : headers, 2);
  header.writeUInt16LE(size, 4);
  header.writeUInt16LE(l4, 6);
  header.writeUInt16LE(tcp ? 16 : 6, 8);
  return header;
}
