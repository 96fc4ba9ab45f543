import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const FOLDERS = ['scheduler', 'nic', 'host', 'guests', 'src'];
/** A default of 0 may hide an index that went wrong, so there are few: a column is read with `present`. */
const MOST_DEFAULTS = 120;

interface Default {
  readonly where: string;
  /** Whether what may be absent is a cell of a list, a column or a record, by its index or key. */
  readonly isCell: boolean;
  readonly reason: string | undefined;
}

/**
 * Every `?? 0` of a file. The reason of a cell stands in a comment, on its line or above, that begins with `0:`, or once
 * for all cells of a file, where it begins with `0 in this file:`.
 */
function defaultsOf(path: string): Default[] {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  const kind = path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, kind);
  const found: Default[] = [];
  const ofFile = text.match(/\/\/ 0 in this file: (.+)/)?.[1];
  const visit = (node: ts.Node): void => {
    if (isDefaultOfZero(node)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const reason = [lines[line], lines[line - 1]].join('\n').match(/\/\/ 0: (.+)/)?.[1] ?? ofFile;
      found.push({ where: `${path}:${line + 1}`, isCell: ts.isElementAccessExpression(node.left), reason });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isDefaultOfZero(node: ts.Node): node is ts.BinaryExpression {
  return (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken &&
    ts.isNumericLiteral(node.right) &&
    node.right.text === '0'
  );
}

const defaults = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path))
    .flatMap((path) => defaultsOf(join(folder, path))),
);

describe('numbers that may be absent', () => {
  it('a cell that counts as 0 where it is absent says why', () => {
    const silent = defaults.filter(({ isCell, reason }) => isCell && reason === undefined);
    expect(silent.map(({ where }) => where)).toEqual([]);
    expect(defaults.filter(({ isCell }) => isCell).length).toBeGreaterThan(10);
  });

  it(`fewer than ${MOST_DEFAULTS} numbers count as 0 where they are absent`, () => {
    expect(defaults.length).toBeLessThan(MOST_DEFAULTS);
    // The others are fields and objects that are optional by declaration.
    expect(defaults.filter(({ isCell }) => !isCell).length).toBeGreaterThan(0);
  });
});
