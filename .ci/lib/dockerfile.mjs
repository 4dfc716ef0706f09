// As much of a Dockerfile as ours has: stages of RUN and COPY, and what the image says about how it is run.
import { TaskError } from './task.mjs';

/** What changes no file. */
const settings = ['VOLUME', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'];

/** One entry for each instruction: [name, text], lines joined and comments gone. */
function instructions(text) {
  return text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [])
    .map(([line, name, rest]) => [name ?? line, rest]);
}

function copyStep(text) {
  const words = text.split(/\s+/);
  const from = /^--from=(.*)/.exec(words[0])?.[1];
  const paths = from === undefined ? words : words.slice(1);
  if (paths.length !== 2 || paths[0].startsWith('--')) throw new TaskError(`the Dockerfile copies otherwise: ${text}`);
  return { kind: 'COPY', from, source: paths[0], target: paths[1] };
}

/** A JSON list, or words. */
const listOf = (text) => (text.startsWith('[') ? JSON.parse(text) : text.split(/\s+/));

/** Stages in their order: { base, name, steps, settings }, the last one being the image. */
export function readDockerfile(text) {
  const stages = [];
  for (const [name, rest] of instructions(text)) {
    const stage = stages.at(-1);
    if (name === 'FROM') {
      const [, base, as] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest) ?? [];
      if (base === undefined) throw new TaskError(`the Dockerfile begins a stage otherwise: ${rest}`);
      stages.push({ base, name: as ?? String(stages.length), steps: [], settings: {} });
    } else if (stage === undefined) throw new TaskError(`the Dockerfile has ${name} before FROM`);
    else if (name === 'RUN') stage.steps.push({ kind: 'RUN', command: rest });
    else if (name === 'WORKDIR') stage.steps.push({ kind: 'WORKDIR', path: rest });
    else if (name === 'COPY') stage.steps.push(copyStep(rest));
    else if (name === 'HEALTHCHECK') stage.settings[name] = listOf(/CMD\s+(.*)$/.exec(rest)?.[1] ?? rest);
    else if (settings.includes(name)) stage.settings[name] = listOf(rest);
    else throw new TaskError(`the Dockerfile has ${name}, which is not known here`, 'less .ci/lib/dockerfile.mjs');
  }
  return stages;
}
