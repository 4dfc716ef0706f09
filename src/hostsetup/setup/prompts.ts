import type { createPromptModule } from 'inquirer';
import { VhostHostError } from '../../common/errors.js';

/** The one room for questions. Nothing here is called without a terminal: every question has a flag. */

interface Asked {
  /** Names the flag that answers it, so that the next call can do without the question. */
  readonly message: string;
}

export interface TextQuestion extends Asked {
  readonly kind: 'text';
  readonly proposal: string;
  /** Why the answer will not do. */
  wrong(answer: string): string | undefined;
}

export interface ChoiceQuestion extends Asked {
  readonly kind: 'choice';
  readonly proposal: string;
  readonly choices: readonly {
    readonly value: string;
    readonly label: string;
    /** Why it cannot be chosen. */
    readonly barred?: string;
  }[];
}

export interface YesNoQuestion extends Asked {
  readonly kind: 'yes-no';
  readonly proposal: 'yes' | 'no';
}

export type Question = TextQuestion | ChoiceQuestion | YesNoQuestion;

/** What `ask` of the composition root does; Ctrl-C ends the command. */
export type Ask = (question: Question) => Promise<string>;

type Prompt = ReturnType<typeof createPromptModule>;

/** On stderr: stdout is for the answer, which somebody may keep in a file. undefined: Ctrl-C. */
async function prompt<T>(work: (prompt: Prompt) => Promise<{ answer: T }>): Promise<T | undefined> {
  const { default: inquirer } = await import('inquirer');
  try {
    return (await work(inquirer.createPromptModule({ output: process.stderr }))).answer;
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError') return undefined;
    throw error;
  }
}

function show(run: Prompt, question: Question): Promise<{ answer: string | boolean }> {
  const { message, proposal } = question;
  const common = { name: 'answer', message } as const;
  switch (question.kind) {
    case 'text':
      return run([
        { ...common, type: 'input', default: proposal, validate: (text: string) => question.wrong(text) ?? true },
      ]);
    case 'choice': {
      const choices = question.choices.map(({ value, label, barred = false }) => {
        return { value, name: label, disabled: barred === false ? false : `(${barred})` };
      });
      return run([{ ...common, type: 'select', default: proposal, choices, loop: false }]);
    }
    case 'yes-no':
      return run([{ ...common, type: 'confirm', default: proposal === 'yes' }]);
  }
}

export async function ask(question: Question): Promise<string> {
  const answer = await prompt((run) => show(run, question));
  if (answer === undefined) throw new VhostHostError('CANCELLED', 'cancelled: nothing was changed');
  return typeof answer === 'string' ? answer : answer ? 'yes' : 'no';
}

/** Whether the user agrees; no is the default, and Ctrl-C is a no. */
export async function confirm(message: string): Promise<boolean> {
  const answer = await prompt((run) => show(run, { kind: 'yes-no', message, proposal: 'no' }));
  return answer === true;
}
