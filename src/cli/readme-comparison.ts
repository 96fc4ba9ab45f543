import { InvariantViolation } from '../../scheduler/errors.js';
import { withPart } from '../report/generated-part.js';
import { runCli } from './program.js';

/** What README says its table was printed by. */
const COMMAND = ['compare', '--duration', '20ms'];

const BEGIN = '<!-- compare: npm run docs:readme -->';
const END = '<!-- /compare -->';

/** A README with the comparison as its command prints it now. @throws Error when the place for it is missing. */
export async function withComparison(readme: string): Promise<string> {
  let out = '';
  const io = {
    err: () => {},
    errIsTerminal: false,
    columns: 100,
    jobs: 1,
    program: 'npx tsx src/cli/main.ts',
  };
  const code = await runCli(COMMAND, {
    ...io,
    out: (text) => {
      out += text;
    },
  });
  if (code !== 0) throw new InvariantViolation(`${COMMAND.join(' ')} ended with ${code}`);
  return withPart(readme, BEGIN, END, `\`\`\`text\n${out}\`\`\``);
}
