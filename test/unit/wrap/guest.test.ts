import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { PortName } from '../../../src/switch/model/schema.js';
import { Command } from '../../../src/wrap/cmdline/command.js';
import {
  belowLibvirt,
  descriptorsIn,
  guestName,
  isVhostTap,
  portName,
  queuesOf,
  vhostDescriptors,
} from '../../../src/wrap/guest.js';
import { parseGroup } from '../../../src/wrap/cmdline/parse-group.js';
import { parseSize, printSize } from '../../../src/wrap/cmdline/qemu-size.js';

const netdev = (text: string) => parseGroup(text, 'type');

describe('what a call says about its guest', () => {
  it('any pair of names gives a port name that the switch takes', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (guest, id) => PortName.safeParse(portName(guest, id)).success));
    equal(portName('vm1', 'hostnet0'), 'vm1-hostnet0');
    match(portName('.hidden', 'h'), /^_hidden-h-[0-9a-f]{8}$/);
  });

  it('names that would look the same after cleaning or cutting stay apart', () => {
    notEqual(portName('a b', 'h'), portName('a_b', 'h'));
    const long = 'x'.repeat(70);
    notEqual(portName(`${long}1`, 'h'), portName(`${long}2`, 'h'));
    equal(portName(`${long}1`, 'h'), portName(`${long}1`, 'h'));
    equal(portName(long, 'h').length, 63);
  });

  it('vhost is asked for outright or by what only vhost needs', () => {
    const asked = ['tap,vhost=on', 'tap,vhost', 'tap,vhostforce=on', 'tap,vhostfd=3', 'tap,vhostfds=3:4'];
    const not = ['tap', 'tap,vhost=off', 'tap,vhost=off,vhostfd=3', 'user', 'vhost-user,vhostforce=on', 'tap,novhost'];
    deepEqual(
      asked.map(netdev).map(isVhostTap),
      asked.map(() => true),
    );
    deepEqual(
      not.map(netdev).map(isVhostTap),
      not.map(() => false),
    );
  });

  it('queues are counted by number or by descriptors', () => {
    const texts = ['tap', 'tap,queues=3', 'tap,fds=3:4', 'tap,vhostfds=3:4:5', 'tap,fd=3', '{"type":"tap","queues":2}'];
    deepEqual(texts.map(netdev).map(queuesOf), [1, 3, 2, 3, 1, 2]);
  });

  it('names the descriptors of /dev/vhost-net that a tap was given; not those with names, nor the standard ones', () => {
    deepEqual(vhostDescriptors(netdev('tap,fd=30,vhostfd=33')), [33]);
    deepEqual(vhostDescriptors(netdev('{"type":"tap","fds":"31:32","vhostfds":"33:34:2:mine"}')), [33, 34]);
  });

  it('finds every descriptor that a call goes on naming', () => {
    const texts = ['set=0,fd=30,opaque=x', '{"type":"tap","fds":"31:32"}', 'tap,vhostfds=5:6', 'file,path=/dev/fd/7'];
    deepEqual([...descriptorsIn([...texts, 'socket,fd=name', 'mac=52:54:00:00:00:09', 'fd=1'])], [30, 31, 32, 5, 6, 7]);
  });

  it('finds the name and libvirt', () => {
    equal(guestName(new Command(['-name', 'a', '-name', 'guest=b,debug-threads=on'])), 'b');
    equal(guestName(new Command(['-name', 'debug-threads=on'])), undefined);
    equal(belowLibvirt(new Command(['-mon', 'chardev=charmonitor,id=monitor,mode=control'])), true);
    equal(belowLibvirt(new Command(['-mon', 'mine', '-monitor', 'stdio'])), false);
  });

  it('reads and prints sizes', () => {
    const texts = ['4096', '262144k', '4G', '1.5g', '0x10', '1b', '2T'];
    const bytes = [4096 * 2 ** 20, 2 ** 28, 2 ** 32, 1.5 * 2 ** 30, 2 ** 24, 1, 2 ** 41];
    deepEqual(
      texts.map((text) => parseSize(text, 2 ** 20)),
      bytes,
    );
    deepEqual(bytes.map(printSize), ['4G', '256M', '4G', '1536M', '16M', '1', '2T']);
    fc.assert(fc.property(fc.maxSafeNat(), (size) => parseSize(printSize(size), 1) === size));
  });
});
