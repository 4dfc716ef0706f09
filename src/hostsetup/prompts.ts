/** The one room for questions. Nothing here is called without a terminal: every question has a flag. */

/** Whether the user agrees; no is the default, and Ctrl-C is a no. */
export async function confirm(question: string): Promise<boolean> {
  const { default: inquirer } = await import('inquirer');
  try {
    const { agreed } = await inquirer.prompt<{ agreed: boolean }>([
      { type: 'confirm', name: 'agreed', message: question, default: false },
    ]);
    return agreed;
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError') return false;
    throw error;
  }
}
