#!/usr/bin/env node
// Makes this clone ready to run: Debian packages, npm packages, build, the tests' guest. Plain Node, because nothing
// is installed yet when it starts. With all in place it does nothing, in well under a second.
//
//   node .ci/prepare.mjs [GROUP...] [ovs]   groups of Debian packages (see lib/packages.mjs); without one, all but
//                                           corpus, which also fetches libvirt's test data, trixie, which
//                                           test:trixie needs on the machine that it runs on, and package, which
//                                           also makes a system to install packages in;
//                                           ovs: also the switch that the bench compares with
import { ensureCorpus } from './lib/corpus.mjs';
import { thisRelease } from './lib/deb.mjs';
import { ensureDebianRoot, imageRelease } from './lib/debian-root.mjs';
import { ensureGuest } from './lib/guest.mjs';
import { buildNative } from './lib/native.mjs';
import { fetchNodes, seeNodes } from './lib/nodes.mjs';
import { ensureNodeModules } from './lib/npm.mjs';
import { ensureOvs } from './lib/ovs.mjs';
import { ensurePackages, groupNames } from './lib/packages.mjs';
import { ensureQemu } from './lib/qemu.mjs';
import { TaskError, main } from './lib/task.mjs';
import { ensureTypeScript } from './lib/typescript.mjs';

/** Only where it is asked for: nothing but the bench has a use for it. */
const peer = 'ovs';
/** The same for the groups that `npm run corpus`, `npm run test:package` and `npm run test:trixie` need. */
const corpus = 'corpus';
const packages = 'package';
const apart = [corpus, packages, 'trixie'];

async function buildProgram() {
  await ensureNodeModules();
  // The one computes on one processor; make gives the other one work meanwhile.
  await Promise.all([ensureTypeScript(), buildNative()]);
}

async function fetchForTests(groups) {
  if (groups.includes('guest')) await ensureGuest();
  if (groups.includes('machine')) await ensureQemu();
  return groups.includes('nodes') ? await fetchNodes() : [];
}

await main('prepare', async () => {
  const args = process.argv.slice(2);
  const named = args.filter((name) => name !== peer);
  const unknown = named.find((name) => !groupNames.includes(name));
  if (unknown !== undefined) {
    throw new TaskError(`unknown group ${unknown}`, `node .ci/prepare.mjs ${[...groupNames, peer].join(' ')}`);
  }
  const groups = args.length === 0 ? groupNames.filter((name) => !apart.includes(name)) : named;
  await ensurePackages(groups);
  // What is compiled, and beside it what mostly waits for the network.
  const [, nodes] = await Promise.all([buildProgram(), fetchForTests(groups)]);
  await seeNodes(nodes);
  if (groups.includes(corpus)) await ensureCorpus();
  if (groups.includes(packages)) {
    for (const codename of new Set([thisRelease().codename, imageRelease])) await ensureDebianRoot(codename);
  }
  if (args.includes(peer)) await ensureOvs();
});
